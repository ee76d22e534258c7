import re
from string import Formatter

import pytest

from calibration.plan import ORDER, make_prompts
from calibration.words import TEXTS, CaptureWords, remark
from realtime.drawing.words import LANGUAGES, system_language


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("lang", TEXTS)
def test_every_language_has_every_sentence_with_the_same_places(lang):
    assert set(TEXTS) == set(LANGUAGES)
    assert set(TEXTS[lang]) == set(TEXTS["en"])
    assert {key: places(text) for key, text in TEXTS[lang].items()} == {key: places(text) for key, text in TEXTS["en"].items()}


@pytest.mark.parametrize("lang", [lang for lang in TEXTS if lang != "en"])
def test_no_sentence_is_left_in_english(lang):
    same = {key for key, text in TEXTS[lang].items() if text == TEXTS["en"][key] and re.search("[a-z]{3}", re.sub("{[a-z]+}", "", text))}
    assert same <= {"need_pose", "need_size"}


def test_expressions_are_told_by_their_words():
    said = remark("looks_like", seen="happiness", asked="neutral")
    assert CaptureWords("de").say(said) == "Das sieht nach Freude aus. Gefragt ist: neutral."
    assert str(said) == "This looks like happiness. Asked for: neutral."


def test_every_expression_pose_and_plan_has_its_words():
    keys = set(TEXTS["en"])
    assert {f"how_{name}" for name in ORDER} <= keys
    plans = ("neutral", "quick", "full", "room")
    assert {f"plan_{plan}" for plan in (*plans, "practice")} <= keys
    assert {f"pose_{prompt.pose}" for plan in plans for prompt in make_prompts(plan, 1.5, 3.0)} <= keys


@pytest.mark.parametrize(
    ("environment", "lang"),
    [
        ({}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "de_AT.UTF-8"}, "de"),
        ({"LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANG": "de_DE", "LC_MESSAGES": "ja_JP.UTF-8"}, "ja"),
        ({"LANG": "de_DE", "LC_ALL": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "fr_FR", "LC_ALL": ""}, "fr"),
        ({"LANG": "es"}, "es"),
    ],
)
def test_the_language_is_the_system_s(environment, lang):
    assert system_language(environment, "linux") == lang
