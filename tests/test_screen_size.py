import pytest

from realtime.viewers.screen_size import opening_size


@pytest.mark.parametrize("screen", [(1366, 768), (1920, 1080), (1024, 768), (800, 480)])
@pytest.mark.parametrize("picture", [(640, 480), (1920, 1080), (3840, 2160), (1467, 600), (1080, 1920), (320, 240), (20, 10), (1, 1)])
def test_a_window_opens_within_the_screen_with_its_pictures_ratio(picture, screen):
    width, height = opening_size(picture, screen)
    assert 0 < width <= 0.9 * screen[0] + 1 and 0 < height <= 0.85 * screen[1] + 1
    assert width / height == pytest.approx(picture[0] / picture[1], rel=0.01)


def test_a_picture_that_fits_keeps_its_size_and_a_small_one_is_made_larger():
    assert opening_size((640, 480), (1366, 768)) == (640, 480)
    assert opening_size((1280, 720), (1920, 1080)) == (1280, 720)
    assert opening_size((160, 120), (1366, 768)) == (640, 480)
