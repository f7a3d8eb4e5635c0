"""How a render tells its state: a bar on a terminal, a line each 10 s elsewhere, nothing when quiet."""

import pytest

from vacestream.cli import progress
from vacestream.cli.progress import Countdown, Lines, reporting
from vacestream.events import Event

EVENTS = [
    Event("start", data={"num_frames": 100, "num_chunks": 9}),
    Event("chunk", 9, 1, {"denoise": 0.5}),
    Event("warn", 9, 1, {"message": "mind [the] gap"}),
    Event("chunk", 45, 4, {"denoise": 0.5}),
    Event("done", 100, 9),
]


def test_a_log_gets_a_plain_line_each_ten_seconds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = iter([0.0, 4.0, 4.0, 15.0, 20.0])
    monkeypatch.setattr(progress.time, "monotonic", lambda: next(clock))
    report = Lines("fox", verbose=False)
    for event in EVENTS:
        report(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert err.splitlines() == [
        "warning: mind [the] gap",
        "fox: 45/100 frames, 3.3 fps, 17 s left",
        "fox: 100 frames in 20.0 s",
    ]


def test_an_endless_render_has_no_end_to_wait_for(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(progress.time, "monotonic", lambda: 2.0)
    report = Lines("fox", verbose=True, pace=Countdown(begun=1.0))
    report(Event("chunk", 9, 1, {"denoise": 0.5}))
    assert capsys.readouterr().err == "fox: 9 frames, 9.0 fps, denoise 0.50 s\n"


def test_the_time_left_is_exact_once_the_first_chunk_is_made_also_of_what_goes_on() -> None:
    """A hundred frames at four a second, the first 20 made before, behind a minute of loading."""
    pace = Countdown()
    pace.start(Event("start", 20, data={"num_frames": 100}), 0.0)
    pace.words(Event("chunk", 32), 60.0)
    assert pace.words(Event("chunk", 44), 63.0) == "4.0 fps, 14 s left"
    assert pace.words(Event("chunk", 56), 66.0) == "4.0 fps, 11 s left"
    pace.start(Event("start", data={"num_frames": 9000}), 0.0)
    assert pace.words(Event("chunk", 9), 9.0) == "1.0 fps, 2:29:51 left"


def test_a_terminal_gets_a_bar_with_frames_rate_and_warnings(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    with reporting("fox", json=None, quiet=False, verbose=True) as report:
        for event in EVENTS:
            report(event)
    out, err = capsys.readouterr()
    assert out == ""
    assert "100/100 frames" in err
    assert "warning: mind [the] gap" in err
    assert "chunk 4, denoise 0.50 s" in err


def test_quiet_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with reporting("fox", json=None, quiet=True, verbose=False) as report:
        for event in EVENTS:
            report(event)
    assert capsys.readouterr() == ("", "")
