"""The words on the picture, in six languages. Files and the terminal keep the English ones, which programs read."""

import re
from dataclasses import dataclass

from realtime.values import LABELS

DOUBTS = ("small", "dark", "blurred", "turned", "covered", "tie")
NAMING = ("saved", "profile")
MESSAGES = (
    *NAMING,
    "recording",
    "nothing recorded",
    "no snapshots with --privacy",
    "no profile",
    "reconnecting",
    "waiting for its first picture",
    "looking for the next camera",
)
"""What the window says in passing, as the rest of the program and the terminal word it; after those of `NAMING` comes a name."""
KEYS = ("q, Esc", "r", "s", "space", "p", "c", "m", "o", "f", "h")


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes:
        labels: the seven expressions, in the order of `LABELS`.
        doubts: why a label should not be relied on, in the order of `DOUBTS`.
        help: what each of `KEYS` does.
        messages: the beginnings of messages, in the order of `MESSAGES`.
        unsure, dropped, saving, profile, paused, continues, hidden: single words of the screen; a recording continues during a pause.
    """

    labels: tuple[str, ...]
    doubts: tuple[str, ...]
    help: tuple[str, ...]
    messages: tuple[str, ...]
    unsure: str
    dropped: str
    saving: str
    profile: str
    paused: str
    continues: str
    hidden: str

    def label(self, name: str) -> str:
        """An expression, one of `LABELS`."""
        return self.labels[LABELS.index(name)]

    def doubt(self, name: str) -> str:
        """A reason, one of `DOUBTS`."""
        return self.doubts[DOUBTS.index(name)]

    def message(self, text: str) -> str:
        """A message of the window, such as "saved FILE" or "CAMERA: reconnecting (3 s)"; one that is not in `MESSAGES` stays as it is."""
        naming, whole = "|".join(NAMING), "|".join(MESSAGES[len(NAMING) :])
        known = rf"(^(?:{naming})(?= )|(?:^|(?<=: ))(?:{whole})(?=$| \())"
        return re.sub(known, lambda found: self.messages[MESSAGES.index(found[0])], text, count=1)


LANGUAGES = {
    "en": Words(
        labels=LABELS,
        doubts=DOUBTS,
        help=(
            "quit",
            "record, stop",
            "snapshot",
            "pause",
            "profile on, off",
            "next camera",
            "mirror",
            "hide labels",
            "full screen",
            "help",
        ),
        messages=MESSAGES,
        unsure="unsure",
        dropped="dropped",
        saving="saving",
        profile="profile",
        paused="picture paused",
        continues="goes on",
        hidden="labels hidden",
    ),
    "zh": Words(
        labels=("愤怒", "厌恶", "恐惧", "高兴", "悲伤", "惊讶", "中性"),
        doubts=("太小", "太暗", "模糊", "侧脸", "遮挡", "难分"),
        help=("退出", "录制、停止", "拍照", "暂停", "个人配置开关", "下一个摄像头", "镜像", "隐藏标签", "全屏", "帮助"),
        messages=(
            "已保存",
            "个人配置",
            "正在录制",
            "没有录到内容",
            "使用 --privacy 时不能拍照",
            "未用个人配置",
            "正在重新连接",
            "等待第一帧画面",
            "正在寻找下一个摄像头",
        ),
        unsure="不确定",
        dropped="丢帧",
        saving="节省",
        profile="配置",
        paused="画面已暂停",
        continues="继续录制",
        hidden="标签已隐藏",
    ),
    "es": Words(
        labels=("enfado", "asco", "miedo", "alegría", "tristeza", "sorpresa", "neutral"),
        doubts=("pequeña", "oscura", "borrosa", "girada", "tapada", "empate"),
        help=(
            "salir",
            "grabar, parar",
            "foto",
            "pausa",
            "perfil sí, no",
            "otra cámara",
            "espejo",
            "ocultar etiquetas",
            "pantalla completa",
            "ayuda",
        ),
        messages=(
            "guardado:",
            "perfil",
            "grabando",
            "no se ha grabado nada",
            "sin fotos con --privacy",
            "sin perfil",
            "reconectando",
            "esperando la primera imagen",
            "buscando la siguiente cámara",
        ),
        unsure="dudosa",
        dropped="perdidas",
        saving="ahorro",
        profile="perfil",
        paused="imagen en pausa",
        continues="sigue",
        hidden="etiquetas ocultas",
    ),
    "de": Words(
        labels=("Wut", "Ekel", "Angst", "Freude", "Trauer", "Überraschung", "neutral"),
        doubts=("klein", "dunkel", "unscharf", "abgewandt", "verdeckt", "unentschieden"),
        help=(
            "beenden",
            "aufnehmen, anhalten",
            "Standbild",
            "Pause",
            "Profil an, aus",
            "nächste Kamera",
            "spiegeln",
            "Namen ausblenden",
            "ganzer Bildschirm",
            "Hilfe",
        ),
        messages=(
            "gespeichert:",
            "Profil",
            "Aufnahme läuft",
            "nichts aufgenommen",
            "mit --privacy keine Standbilder",
            "kein Profil",
            "verbindet neu",
            "wartet auf das erste Bild",
            "sucht die nächste Kamera",
        ),
        unsure="unsicher",
        dropped="verloren",
        saving="gespart",
        profile="Profil",
        paused="Bild angehalten",
        continues="läuft weiter",
        hidden="Namen ausgeblendet",
    ),
    "fr": Words(
        labels=("colère", "dégoût", "peur", "joie", "tristesse", "surprise", "neutre"),
        doubts=("petit", "sombre", "flou", "tourné", "caché", "ex æquo"),
        help=(
            "quitter",
            "enregistrer, arrêter",
            "photo",
            "pause",
            "profil oui, non",
            "autre caméra",
            "miroir",
            "masquer les noms",
            "plein écran",
            "aide",
        ),
        messages=(
            "enregistré :",
            "profil",
            "enregistrement en cours",
            "rien n'a été enregistré",
            "pas de photos avec --privacy",
            "aucun profil",
            "reconnexion",
            "en attente de la première image",
            "recherche de la caméra suivante",
        ),
        unsure="incertain",
        dropped="perdues",
        saving="économie",
        profile="profil",
        paused="image en pause",
        continues="continue",
        hidden="noms masqués",
    ),
    "ja": Words(
        labels=("怒り", "嫌悪", "恐れ", "喜び", "悲しみ", "驚き", "無表情"),
        doubts=("小さい", "暗い", "ぼけ", "横向き", "隠れ", "僅差"),
        help=("終了", "録画、停止", "写真", "一時停止", "プロファイル", "次のカメラ", "左右反転", "表示を隠す", "全画面", "ヘルプ"),
        messages=(
            "保存しました:",
            "プロファイル",
            "録画中",
            "何も録画されていません",
            "--privacy では写真を撮れません",
            "プロファイルなし",
            "再接続中",
            "最初の映像を待っています",
            "次のカメラを探しています",
        ),
        unsure="不確か",
        dropped="欠落",
        saving="節約",
        profile="プロファイル",
        paused="映像を一時停止中",
        continues="録画は継続",
        hidden="表示なし",
    ),
}
ENGLISH = LANGUAGES["en"]
