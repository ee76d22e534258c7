"""The words on the picture, in six languages. Files and the terminal keep the English ones, which programs read."""

from dataclasses import dataclass

from realtime.values import LABELS

DOUBTS = ("small", "dark", "blurred", "turned", "covered", "tie")
KEYS = ("q, Esc", "r", "s", "space", "p", "c", "m", "o", "f", "h")


@dataclass(frozen=True)
class Words:
    """One language.

    Attributes:
        labels: the seven expressions, in the order of `LABELS`.
        doubts: why a label should not be relied on, in the order of `DOUBTS`.
        help: what each of `KEYS` does.
        unsure, dropped, saving, profile, paused, hidden: single words of the screen.
    """

    labels: tuple[str, ...]
    doubts: tuple[str, ...]
    help: tuple[str, ...]
    unsure: str
    dropped: str
    saving: str
    profile: str
    paused: str
    hidden: str

    def label(self, name: str) -> str:
        """An expression, one of `LABELS`."""
        return self.labels[LABELS.index(name)]

    def doubt(self, name: str) -> str:
        """A reason, one of `DOUBTS`."""
        return self.doubts[DOUBTS.index(name)]


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
        unsure="unsure",
        dropped="dropped",
        saving="saving",
        profile="profile",
        paused="paused",
        hidden="labels hidden",
    ),
    "zh": Words(
        labels=("愤怒", "厌恶", "恐惧", "高兴", "悲伤", "惊讶", "中性"),
        doubts=("太小", "太暗", "模糊", "侧脸", "遮挡", "难分"),
        help=("退出", "录制、停止", "拍照", "暂停", "个人配置开关", "下一个摄像头", "镜像", "隐藏标签", "全屏", "帮助"),
        unsure="不确定",
        dropped="丢帧",
        saving="节省",
        profile="配置",
        paused="已暂停",
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
        unsure="dudosa",
        dropped="perdidas",
        saving="ahorro",
        profile="perfil",
        paused="en pausa",
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
        unsure="unsicher",
        dropped="verloren",
        saving="gespart",
        profile="Profil",
        paused="angehalten",
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
        unsure="incertain",
        dropped="perdues",
        saving="économie",
        profile="profil",
        paused="en pause",
        hidden="noms masqués",
    ),
    "ja": Words(
        labels=("怒り", "嫌悪", "恐れ", "喜び", "悲しみ", "驚き", "無表情"),
        doubts=("小さい", "暗い", "ぼけ", "横向き", "隠れ", "僅差"),
        help=("終了", "録画、停止", "写真", "一時停止", "プロファイル", "次のカメラ", "左右反転", "表示を隠す", "全画面", "ヘルプ"),
        unsure="不確か",
        dropped="欠落",
        saving="節約",
        profile="プロファイル",
        paused="一時停止中",
        hidden="表示なし",
    ),
}
ENGLISH = LANGUAGES["en"]
