"""The page: what it shows, what it takes, whom it answers."""

import json
import os
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import numpy as np
import pytest
from PIL import Image

from tests.live import chrome
from tests.live.lines import planned, run
from vacestream.live.channels.page import Page
from vacestream.live.desk import Desk
from vacestream.live.gallery import Gallery


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """The desk of a stream that runs in a thread for as long as these tests do."""
    desk = Desk([planned(length="9000f")])
    desk.gallery = Gallery(desk.plan)

    def tell(chunk: int) -> None:
        desk.status({"fps": 16.0, "latency": 0.1, "chunk": chunk})
        time.sleep(0.1)

    thread = Thread(target=run, args=(desk, tell))
    thread.start()
    yield desk
    desk.post({"stop": True}, lambda _: None)
    thread.join()


@pytest.fixture
def page(desk) -> Iterator[Page]:
    with Page(desk, desk.gallery, "127.0.0.1", 0) as page:
        yield page


def wait(done: Callable[[], Any]) -> Any:
    """What `done` gives once it gives something."""
    end = time.monotonic() + 60
    while not (found := done()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.05)
    return found


def got(url: str, data: Any = None, **headers: str) -> tuple[int, bytes]:
    """Status and body."""
    body = None if data is None else json.dumps(data).encode()
    try:
        with urlopen(Request(url, body, headers)) as answer:
            return answer.status, answer.read()
    except HTTPError as error:
        with error:
            return error.code, error.read()


def test_it_shows_input_control_mask_and_output_and_takes_messages(page):
    names = wait(lambda: json.loads(got(f"{page.url}state")[1])["pictures"])
    assert names == ["input", "depth 0", "mask", "output"]
    for name in names:
        code, data = wait(lambda name=name: got(f"{page.url}picture/{name.replace(' ', '%20')}"))
        assert code == 200
        assert Image.open(BytesIO(data)).size == (32, 32)
    answer = json.loads(got(f"{page.url}tell", {"set": {"controls.0.scale": 0.5}})[1])
    assert answer["type"] == "accepted"
    refused = json.loads(got(f"{page.url}tell", {"set": {"controls.0.scale": 5}})[1])
    assert "out of range" in refused["message"]
    assert json.loads(got(f"{page.url}tell", "garbage")[1])["type"] == "refused"
    state = wait(lambda: [one for one in json.loads(got(f"{page.url}state")[1])["answers"] if "set" in one])
    assert state[-1]["set"] == {"controls.0.scale": 0.5}


def test_another_site_gets_nothing_and_elsewhere_a_token_is_asked_for(page, desk):
    assert got(f"{page.url}tell", {"stop": True}, Origin="http://evil.example")[0] == 403
    assert got(f"{page.url}state", Host="evil.example")[0] == 403
    assert got(f"{page.url}nothing")[0] == 404
    with Page(desk, desk.gallery, "0.0.0.0", 0) as open_page:
        bare, _, token = open_page.url.replace("0.0.0.0", "127.0.0.1").partition("?")
        assert [got(f"{bare}{path}")[0] for path in ("", "state", "picture/output")] == [403, 403, 403]
        assert got(f"{bare}tell", {"stop": True})[0] == 403
        assert got(f"{bare}state?token=x")[0] == 403
        assert got(f"{bare}?{token}")[0] == 200


SEEN = """(() => { const image = document.querySelector('[id="see output"] img');
    const canvas = Object.assign(document.createElement('canvas'), {width: 32, height: 32});
    canvas.getContext('2d').drawImage(image, 0, 0); return canvas.toDataURL(); })()"""
TURN = """(() => { const knob = document.getElementById('context_scale');
    knob.value = 0.3; knob.dispatchEvent(new Event('change')); })()"""


@pytest.mark.skipif(chrome.found() is None, reason="no Chromium here; CHROMIUM names one")
def test_in_a_browser_pictures_move_and_a_slider_changes_the_stream(page, desk, tmp_path):
    with chrome.opened(chrome.found(), page.url) as tab:
        wait(lambda: tab.value("document.images.length >= 4 && [...document.images].every(i => i.width)"))
        first = tab.value(SEEN)
        wait(lambda: tab.value(SEEN) != first)
        tab.value(TURN)
        wait(lambda: desk.recipe.context_scale == 0.3)
        wait(lambda: "context_scale" in tab.value("document.getElementById('answers').textContent"))
        assert "a red dog" in tab.value("document.getElementById('status').textContent")
        shot = Path(os.environ.get("SCREENSHOT", tmp_path / "page.png"))
        shot.write_bytes(tab.screenshot())
    assert np.ptp(np.asarray(Image.open(shot))) > 100
