"""A window on the desktop: shows pictures, gives keys."""

import cv2
import numpy as np

from realtime.quiet import quiet

NO_KEY = 255


class Screen:
    """One window, opened by its first picture."""

    def __init__(self, title: str):
        self.title = title
        self.closed = False
        """Whether the user has closed the window."""
        self._open = self._filled = False

    def show(self, picture: np.ndarray) -> int:
        """Shows (h, w, 3) BGR uint8; gives the key that was pressed, `NO_KEY` for none."""
        if not self._open:
            with quiet():
                cv2.namedWindow(self.title, cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL)
                cv2.resizeWindow(self.title, picture.shape[1], picture.shape[0])
            self._open = True
        cv2.imshow(self.title, picture)
        return self.wait()

    def resize(self, picture: np.ndarray) -> None:
        """Makes the window as large as a picture."""
        if self._open:
            with quiet():
                cv2.resizeWindow(self.title, picture.shape[1], picture.shape[0])

    def fill(self) -> None:
        """Fills the screen, or goes back to a window."""
        self._filled = not self._filled
        if self._open:
            with quiet():
                cv2.setWindowProperty(self.title, cv2.WND_PROP_FULLSCREEN, cv2.WINDOW_FULLSCREEN if self._filled else cv2.WINDOW_NORMAL)

    def wait(self) -> int:
        """Keeps the window alive while there is nothing new to show; gives a key as `show` does."""
        if not self._open:
            return NO_KEY
        key = cv2.waitKey(1) & 0xFF
        self.closed = self.closed or not self._visible()
        return key

    def close(self) -> None:
        if self._open:
            with quiet():
                cv2.destroyAllWindows()

    def _visible(self) -> bool:
        try:
            return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) >= 1
        except cv2.error:
            # Qt's own way to say that the user closed the last window.
            return False
