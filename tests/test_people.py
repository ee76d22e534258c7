import json

import numpy as np
import pytest

from realtime.base.errors import Trouble
from realtime.config import SHIPPED
from realtime.expression.classifier import EmotionClassifier
from realtime.expression.people import ProfileSwitch, find, profile_path, usable, with_profile
from realtime.expression.profile import Profile, save


@pytest.fixture
def classifier():
    return EmotionClassifier(SHIPPED["emotion"])


@pytest.fixture
def root(tmp_path, classifier):
    for name in ("ada", "Zoë K."):
        made = Profile(name, classifier.sha256, "offsets", np.arange(7, dtype=np.float32))
        save(made, profile_path(tmp_path, name, classifier.path))
    return tmp_path


def test_people_are_found_by_name_and_model(root, classifier):
    assert with_profile(root, classifier.path) == ["Zoë K.", "ada"]
    assert with_profile(root, SHIPPED["nano"]) == []
    assert find(root, "ada", classifier.path) == root / "ada" / "emotion.json"
    with pytest.raises(Trouble, match=r"no profile of eve for emotion \(there is one of: Zoë K., ada\).*calibrate --name eve"):
        find(root, "eve", classifier.path)


@pytest.mark.parametrize("name", ["", " ", "../ada", "a/b", "a\\b", ".hidden", "..", "a\0b", "x" * 61, "C:x", "a\nb"])
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


def test_the_switch_turns_a_profile_on_and_off(root, classifier):
    switch = ProfileSwitch(classifier, root)
    assert (switch.name, switch.names()) == (None, ["Zoë K.", "ada"])
    assert switch.toggle() == "choose one with --profile: Zoë K., ada"
    assert switch.choose("ada") == "profile ada" and switch.name == "ada"
    assert switch.toggle() == "no profile" and classifier.profile is None
    assert switch.toggle() == "profile ada" and classifier.profile.name == "ada"
    assert "no profile of eve" in switch.choose("eve") and switch.name == "ada"
    (root / "Zoë K." / "emotion.json").write_text("{")
    assert "is damaged" in switch.choose("Zoë K.") and switch.name == "ada"


def test_the_switch_takes_the_only_profile_or_says_how_to_make_one(root, classifier):
    (root / "ada" / "emotion.json").unlink()
    assert ProfileSwitch(classifier, root).toggle() == "profile Zoë K."
    classifier.profile = None
    assert "run.py calibrate" in ProfileSwitch(classifier, root / "nowhere").toggle()
