import json
import unicodedata

import numpy as np
import pytest
from conftest import HOSTILE_JSON

from realtime.base.errors import Trouble
from realtime.config import SHIPPED
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import ProfileSwitch, checked, find, profile_path, usable, with_profile
from realtime.expression.profile import Profile, personal, save


@pytest.fixture
def classifier():
    return EmotionClassifier(SHIPPED["emotion"])


@pytest.fixture
def root(tmp_path, classifier):
    for name in ("ada", "Zoë K"):
        made = Profile(name, classifier.sha256, "offsets", np.arange(7, dtype=np.float32))
        save(made, profile_path(tmp_path, name, classifier.path))
    return tmp_path


def test_people_are_found_by_name_and_model(root, classifier):
    assert with_profile(root, classifier.path) == ["Zoë K", "ada"]
    assert with_profile(root, SHIPPED["nano"]) == []
    assert find(root, "ada", classifier.path) == root / "ada" / "emotion.json"
    with pytest.raises(Trouble, match=r"no profile of eve for emotion \(there is one of: Zoë K, ada\).*calibrate --name eve"):
        find(root, "eve", classifier.path)


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "../ada",
        "a/b",
        "a\\b",
        ".hidden",
        "..",
        "a\0b",
        "x" * 61,
        "C:x",
        "a\nb",
        "ada.",
        "ada ",
        " ada",
        "con",
        "NUL",
        "com1.txt",
        "a\u200d",
        "\u0301a",
        "a\u202eb",
    ],
)
def test_a_name_that_could_lead_elsewhere_is_refused(root, classifier, name):
    with pytest.raises(Trouble, match="cannot be a person's name"):
        find(root, name, classifier.path)


def test_a_profile_for_another_model_is_told(root, classifier):
    path = root / "ada" / "emotion.json"
    assert usable(path, classifier.path) == path
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"model": "b" * 64}))
    with pytest.raises(Trouble, match="made for another model"):
        usable(path, classifier.path)
    with pytest.raises(Trouble, match=r"none\.json"):
        usable(path, root / "none.tflite")
    for raw in HOSTILE_JSON:
        (root / "odd.json").write_text(f'{{"sha256": "a", "embedding": {raw}}}')
        with pytest.raises(Trouble) as caught:
            usable(path, root / "odd.tflite")
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


def test_the_switch_turns_a_profile_on_and_off(root, classifier):
    switch = ProfileSwitch(classifier, root)
    assert (switch.name, switch.names()) == (None, ["Zoë K", "ada"])
    assert str(switch.toggle()) == "choose one with --profile: Zoë K, ada"
    assert str(switch.choose("ada")) == "profile ada" and switch.name == "ada"
    assert str(switch.toggle()) == "no profile" and switch.profile is None
    assert str(switch.toggle()) == "profile ada" and switch.profile.name == "ada"
    assert "no profile of eve" in str(switch.choose("eve")) and switch.name == "ada"
    (root / "Zoë K" / "emotion.json").write_text("{")
    assert "is damaged" in str(switch.choose("Zoë K")) and switch.name == "ada"


def test_the_switch_takes_the_only_profile_or_says_how_to_make_one(root, classifier):
    (root / "ada" / "emotion.json").unlink()
    assert str(ProfileSwitch(classifier, root).toggle()) == "profile Zoë K"
    assert "run.py calibrate" in str(ProfileSwitch(classifier, root / "nowhere").toggle())


def test_the_stage_corrects_the_probabilities_and_nothing_else(classifier, tmp_path):
    chips = np.random.default_rng(0).integers(0, 256, (3, 64, 64), np.uint8)
    base = classifier.read(chips)
    profile = Profile("ada", classifier.sha256, "offsets", np.array([0, 0, 0, 5, 0, 0, 0], np.float32))
    stage = ProfileSwitch(classifier, tmp_path, profile)
    mine = stage.apply(base)
    assert (mine.probs[:, 3] > base.probs[:, 3]).all()
    assert mine.probs == pytest.approx(personal(Profile("", "", "", np.eye(7, dtype=np.float32)[3] * 5), base.probs, base.embedding))
    assert (mine.reject == base.reject).all() and (mine.embedding == base.embedding).all()
    stage.toggle()
    assert stage.apply(base) is base


@pytest.mark.parametrize("name", ["हिन्दी", "தமிழ்", "ශ්\u200dරී", "Nguyễn Văn", "محمّد", "O'Neil-Smith Jr", "李", "console", "Conrad", "a.b"])
def test_letters_of_all_languages_with_their_marks_make_a_name(name):
    assert checked(name) == unicodedata.normalize("NFC", name)


def test_one_name_has_one_folder_however_it_is_typed(classifier, tmp_path):
    composed, apart = "Zo\N{LATIN SMALL LETTER E WITH DIAERESIS}", "Zoe\N{COMBINING DIAERESIS}"
    assert profile_path(tmp_path, composed, classifier.path) == profile_path(tmp_path, apart, classifier.path)
