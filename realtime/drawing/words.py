"""The words on the picture, in six languages. Files and the terminal keep the English ones, which programs read."""

import locale
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from realtime.base.errors import Trouble
from realtime.base.messages import Message
from realtime.drawing.sentences import SENTENCES

DOUBTS = ("small", "dark", "blurred", "turned", "covered", "tie")
"""All values of `Reading.unsure`."""
KEYS = {
    "quit": "q, Esc",
    "record": "r",
    "snapshot": "s",
    "pause": "space",
    "profile": "p",
    "camera": "c",
    "mirror": "m",
    "hide": "o",
    "numbers": "i",
    "fill": "f",
    "help": "h",
}
"""What the window's keys do, and which key does it."""


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes:
        code: its name, as `--lang` takes it and as the names of languages are in HTML.
        labels: the seven expressions, by `realtime.values.LABELS`.
        doubts: why a label should not be relied on, by `DOUBTS`.
        actions: what the keys do, by the names in `KEYS`.
        messages: sentences with places for values, by the keys of `realtime.base.messages.TEXTS`.
        unsure, profile, paused, continues, hidden: single words of the screen; a recording continues during a pause.
    """

    code: str
    labels: Mapping[str, str]
    doubts: Mapping[str, str]
    actions: Mapping[str, str]
    messages: Mapping[str, str]
    unsure: str
    profile: str
    paused: str
    continues: str
    hidden: str

    def sentence(self, message: Message) -> str:
        """A message in this language, with the messages within it. The text of a Trouble that is no message stays English."""
        values = {name: self._value(value) for name, value in message.values.items()}
        return self.messages[message.key].format(**values)

    def _value(self, value: object) -> object:
        if isinstance(value, Trouble) and value.args:
            value = value.args[0]
        return self.sentence(value) if isinstance(value, Message) else value


LANGUAGES = {
    "en": Words(
        code="en",
        labels={
            "anger": "anger",
            "disgust": "disgust",
            "fear": "fear",
            "happiness": "happiness",
            "sadness": "sadness",
            "surprise": "surprise",
            "neutral": "neutral",
        },
        doubts={
            "small": "small",
            "dark": "dark",
            "blurred": "blurred",
            "turned": "turned",
            "covered": "covered",
            "tie": "tie",
        },
        actions={
            "quit": "quit",
            "record": "record, stop",
            "snapshot": "snapshot",
            "pause": "pause",
            "profile": "profile on, off",
            "camera": "next camera",
            "mirror": "mirror",
            "hide": "hide labels",
            "numbers": "frames a second",
            "fill": "full screen",
            "help": "help",
        },
        messages=SENTENCES["en"],
        unsure="unsure",
        profile="profile",
        paused="picture paused",
        continues="goes on",
        hidden="labels hidden",
    ),
    "zh": Words(
        code="zh",
        labels={
            "anger": "愤怒",
            "disgust": "厌恶",
            "fear": "恐惧",
            "happiness": "高兴",
            "sadness": "悲伤",
            "surprise": "惊讶",
            "neutral": "中性",
        },
        doubts={
            "small": "太小",
            "dark": "太暗",
            "blurred": "模糊",
            "turned": "侧脸",
            "covered": "遮挡",
            "tie": "难分",
        },
        actions={
            "quit": "退出",
            "record": "录制、停止",
            "snapshot": "拍照",
            "pause": "暂停",
            "profile": "个人配置开关",
            "camera": "下一个摄像头",
            "mirror": "镜像",
            "hide": "隐藏标签",
            "numbers": "速度",
            "fill": "全屏",
            "help": "帮助",
        },
        messages=SENTENCES["zh"],
        unsure="不确定",
        profile="配置",
        paused="画面已暂停",
        continues="继续录制",
        hidden="标签已隐藏",
    ),
    "es": Words(
        code="es",
        labels={
            "anger": "enfado",
            "disgust": "asco",
            "fear": "miedo",
            "happiness": "alegría",
            "sadness": "tristeza",
            "surprise": "sorpresa",
            "neutral": "neutral",
        },
        doubts={
            "small": "pequeña",
            "dark": "oscura",
            "blurred": "borrosa",
            "turned": "girada",
            "covered": "tapada",
            "tie": "empate",
        },
        actions={
            "quit": "salir",
            "record": "grabar, parar",
            "snapshot": "foto",
            "pause": "pausa",
            "profile": "perfil sí, no",
            "camera": "otra cámara",
            "mirror": "espejo",
            "hide": "ocultar etiquetas",
            "numbers": "velocidad",
            "fill": "pantalla completa",
            "help": "ayuda",
        },
        messages=SENTENCES["es"],
        unsure="dudosa",
        profile="perfil",
        paused="imagen en pausa",
        continues="sigue",
        hidden="etiquetas ocultas",
    ),
    "de": Words(
        code="de",
        labels={
            "anger": "Wut",
            "disgust": "Ekel",
            "fear": "Angst",
            "happiness": "Freude",
            "sadness": "Trauer",
            "surprise": "Überraschung",
            "neutral": "neutral",
        },
        doubts={
            "small": "klein",
            "dark": "dunkel",
            "blurred": "unscharf",
            "turned": "abgewandt",
            "covered": "verdeckt",
            "tie": "unentschieden",
        },
        actions={
            "quit": "beenden",
            "record": "aufnehmen, anhalten",
            "snapshot": "Standbild",
            "pause": "Pause",
            "profile": "Profil an, aus",
            "camera": "nächste Kamera",
            "mirror": "spiegeln",
            "hide": "Namen ausblenden",
            "numbers": "Tempo",
            "fill": "ganzer Bildschirm",
            "help": "Hilfe",
        },
        messages=SENTENCES["de"],
        unsure="unsicher",
        profile="Profil",
        paused="Bild angehalten",
        continues="läuft weiter",
        hidden="Namen ausgeblendet",
    ),
    "fr": Words(
        code="fr",
        labels={
            "anger": "colère",
            "disgust": "dégoût",
            "fear": "peur",
            "happiness": "joie",
            "sadness": "tristesse",
            "surprise": "surprise",
            "neutral": "neutre",
        },
        doubts={
            "small": "petit",
            "dark": "sombre",
            "blurred": "flou",
            "turned": "tourné",
            "covered": "caché",
            "tie": "ex æquo",
        },
        actions={
            "quit": "quitter",
            "record": "enregistrer, arrêter",
            "snapshot": "photo",
            "pause": "pause",
            "profile": "profil oui, non",
            "camera": "autre caméra",
            "mirror": "miroir",
            "hide": "masquer les noms",
            "numbers": "vitesse",
            "fill": "plein écran",
            "help": "aide",
        },
        messages=SENTENCES["fr"],
        unsure="incertain",
        profile="profil",
        paused="image en pause",
        continues="continue",
        hidden="noms masqués",
    ),
    "ja": Words(
        code="ja",
        labels={
            "anger": "怒り",
            "disgust": "嫌悪",
            "fear": "恐れ",
            "happiness": "喜び",
            "sadness": "悲しみ",
            "surprise": "驚き",
            "neutral": "無表情",
        },
        doubts={
            "small": "小さい",
            "dark": "暗い",
            "blurred": "ぼけ",
            "turned": "横向き",
            "covered": "隠れ",
            "tie": "僅差",
        },
        actions={
            "quit": "終了",
            "record": "録画、停止",
            "snapshot": "写真",
            "pause": "一時停止",
            "profile": "プロファイル",
            "camera": "次のカメラ",
            "mirror": "左右反転",
            "hide": "表示を隠す",
            "numbers": "速度",
            "fill": "全画面",
            "help": "ヘルプ",
        },
        messages=SENTENCES["ja"],
        unsure="不確か",
        profile="プロファイル",
        paused="映像を一時停止中",
        continues="録画は継続",
        hidden="表示なし",
    ),
}
ENGLISH = LANGUAGES["en"]


def system_language(environment: Mapping[str, str] = os.environ, system: str = sys.platform) -> str:
    """The language of `LANGUAGES` that the user's system speaks; English if it speaks none of them.

    POSIX systems name it in the environment: LC_ALL before LC_MESSAGES before LANG. Windows has it in its settings.
    """
    name = next((environment[key] for key in ("LC_ALL", "LC_MESSAGES", "LANG") if environment.get(key)), "")
    if not name and system == "win32":
        import ctypes

        name = locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")  # type: ignore[attr-defined]
    language = name[:2].lower()
    return language if language in LANGUAGES else "en"
