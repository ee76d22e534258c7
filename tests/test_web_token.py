"""A token in a file: made, kept, refused, and a bookmark that opens the page after the next start too."""

import os
import urllib.error
import urllib.request
from http.cookiejar import CookieJar

import pytest
from preview import Running

from realtime.base.errors import Trouble
from realtime.viewers.web.token_file import read_token

OWN = "a" * 20
posix = pytest.mark.skipif(os.name != "posix", reason="rights of files as on Linux and macOS")


def test_a_token_is_made_once_and_read_again(tmp_path):
    path = tmp_path / "new" / "token"
    token = read_token(path)
    assert len(token) >= 20
    assert read_token(path) == token
    assert read_token(tmp_path / "other") != token
    path.write_text(f"{OWN}\r\n")
    assert read_token(path) == OWN


@posix
def test_a_token_that_others_can_read_is_refused(tmp_path):
    path = tmp_path / "token"
    read_token(path)
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o640)
    with pytest.raises(Trouble, match="can be read by other users: `chmod 600"):
        read_token(path)


@pytest.mark.parametrize("content", ["", "short", "a" * 300, "a" * 1000, "with spaces in it, and more", "é" * 20, "a&b=c" * 5, "../" * 8])
def test_what_is_no_token_is_refused_in_a_line(tmp_path, content):
    path = tmp_path / "token"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(Trouble, match=r"holds no token|cannot use the token") as told:
        read_token(path)
    assert "\n" not in str(told.value)


@posix
def test_a_pipe_a_folder_and_a_folder_without_rights_are_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "file" / "token"):
        with pytest.raises(Trouble, match="cannot use the token"):
            read_token(path)


def status(opener, address: str) -> int:
    try:
        return opener.open(address, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code


def opener_with(jar: CookieJar):
    return urllib.request.build_opener(urllib.request.HTTPCookieProcessor(jar))


def test_a_bookmark_opens_the_page_after_the_next_start(tmp_path):
    jar = CookieJar()
    with Running(tmp_path, "127.0.0.1", token=OWN) as first:
        assert first.web.address.endswith(f"?token={OWN}")
        assert status(opener_with(jar), first.web.address) == 200
        port = first.port
    [cookie] = jar
    assert cookie.expires is not None and OWN not in cookie.value
    with Running(tmp_path, "127.0.0.1", port=port, token=OWN):
        assert status(opener_with(jar), f"http://127.0.0.1:{port}/state") == 200
        assert status(opener_with(CookieJar()), f"http://127.0.0.1:{port}/state") == 401
    with Running(tmp_path, "127.0.0.1", port=port, token="b" * 20):
        assert status(opener_with(jar), f"http://127.0.0.1:{port}/state") == 401


def test_a_token_of_one_session_leaves_no_lasting_cookie(tmp_path):
    jar = CookieJar()
    with Running(tmp_path, "127.0.0.1") as running:
        assert status(opener_with(jar), running.web.address) == 200
    [cookie] = jar
    assert cookie.expires is None
