import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.info import FREE_SIZE
from vacestream.media.probe import MediaInfo, probe

Clip = Callable[..., str]
NTSC = Fraction(24000, 1001)


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "mov", "avi", "ts"])
@pytest.mark.parametrize("fps", [NTSC, Fraction(16), Fraction(30000, 1001), Fraction(25, 2)])
def test_rate_and_number_of_frames_are_exact(clip: Clip, suffix: str, fps: Fraction) -> None:
    info = probe(clip(f"a.{suffix}", 33, fps=fps))
    assert (info.fps, info.num_frames, info.size, info.variable) == (fps, 33, (32, 64), False)


def test_a_container_without_display_times_is_counted(clip: Clip) -> None:
    info = probe(clip("a.mpg", 48, "-c:v", "mpeg2video"))
    assert (info.fps, info.num_frames) == (24, 48)


@pytest.mark.parametrize("num_frames", [1, 2, 3])
def test_the_shortest_clips_are_counted(clip: Clip, num_frames: int) -> None:
    info = probe(clip("a.mp4", num_frames))
    assert (info.fps, info.num_frames) == (24, num_frames)


def test_size_is_as_displayed(clip: Clip, tmp_path: Path) -> None:
    upright, turned = clip("a.mp4", 2), tmp_path / "turned.mp4"
    _ffmpeg("-display_rotation", "90", "-i", upright, "-c", "copy", str(turned))
    assert probe(str(turned)).size == (64, 32)
    wide = clip("wide.mp4", 2, "-vf", "setsar=2", "-pix_fmt", "yuv420p")
    assert probe(wide).size == (32, 128)


def test_frames_hidden_by_an_edit_list_do_not_count(clip: Clip, tmp_path: Path) -> None:
    cut = tmp_path / "cut.mp4"
    _ffmpeg("-ss", "0.5", "-i", clip("a.mp4", 48), "-c", "copy", str(cut))
    assert probe(str(cut)).num_frames == 36


def test_a_variable_rate_becomes_the_rate_of_most_frames(clip: Clip) -> None:
    dropped = "select=not(between(n\\,10\\,19))"
    info = probe(clip("a.mkv", 48, "-vf", dropped, "-fps_mode", "vfr", "-pix_fmt", "yuv420p"))
    assert (info.fps, info.num_frames, info.variable) == (24, 48, True)


def test_colour_tags_are_read(clip: Clip) -> None:
    tag = "scale=out_color_matrix=bt709:out_range=pc,setparams=color_primaries=bt709:color_trc=bt709"
    info = probe(clip("a.mp4", 2, "-vf", tag, "-pix_fmt", "yuv420p"))
    assert (info.matrix, info.range, info.primaries, info.transfer) == ("bt709", "pc", "bt709", "bt709")


def test_audio_is_seen(clip: Clip, tmp_path: Path) -> None:
    silent, loud = clip("a.mp4", 24), tmp_path / "loud.mp4"
    _ffmpeg("-i", silent, "-f", "lavfi", "-i", "sine=d=1", "-c:v", "copy", "-c:a", "aac", str(loud))
    assert not probe(silent).has_audio
    assert probe(str(loud)).audio == "aac"


def test_what_holds_no_video_is_refused_by_name(clip: Clip, tmp_path: Path) -> None:
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "text.png").write_text("hello")
    (tmp_path / "folder").mkdir()
    _ffmpeg("-f", "lavfi", "-i", "sine=d=0.1", str(tmp_path / "sound.wav"))
    for name, said in {
        "empty.mp4": "is empty",
        "text.mp4": "cannot be read as video",
        "text.png": "is not an image",
        "folder": "holds no images",
        "sound.wav": "holds no video",
        "absent.mp4": "no such file",
        "tezt.mp4": "did you mean 'text.mp4'",
        "shot.%04d.png": "no file of this pattern",
    }.items():
        with pytest.raises(InputError, match=said) as caught:
            probe(str(tmp_path / name))
        assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize("name", ["camera:C920", "screen", "https://example.org/a.mp4"])
def test_devices_and_addresses_take_the_size_that_they_are_asked_for_and_do_not_end(name: str) -> None:
    info = probe(name)
    assert (info.size, info.num_frames) == (FREE_SIZE, None)


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.mp4", ["-movflags", "+faststart"]),
        ("a.mp4", []),
        ("a.mkv", []),
        ("a.mp4", ["-movflags", "empty_moov"]),
    ],
)
def test_a_file_that_is_cut_off_is_refused(clip: Clip, name: str, options: list[str]) -> None:
    path = Path(clip(name, 48, "-crf", "1", "-pix_fmt", "yuv420p", *options))
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    with pytest.raises(InputError, match=r"a\.m(p4|kv): "):
        probe(str(path))


def test_an_image_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:5000])
    with pytest.raises(InputError, match="cut off or damaged"):
        probe(str(path))


def test_a_changed_file_is_probed_again(clip: Clip) -> None:
    assert probe(clip("a.mp4", 5)).num_frames == 5
    assert probe(clip("a.mp4", 7)).num_frames == 7


def test_an_animated_picture_is_refused_with_the_way_that_works(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (64, 32), (level,) * 3) for level in (0, 200)]
    frames[0].save(tmp_path / "a.webp", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match=r"is animated; `ffmpeg -i a.webp a.mp4`"):
        probe(str(tmp_path / "a.webp"))


def test_a_still_is_a_video_of_one_frame_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (64, 32)).save(tmp_path / "a.jpg", exif=exif)
    info = probe(str(tmp_path / "a.jpg"))
    assert (info.size, info.num_frames, info.timed) == ((64, 32), 1, False)


def test_frames_at_a_rate_and_range() -> None:
    info = MediaInfo("a.mp4", (32, 64), Fraction(30), 90)
    assert [info.frames_at(rate) for rate in (None, Fraction(30), Fraction(16), Fraction(60))] == [
        90,
        90,
        48,
        180,
    ]
    assert info.frames_at(start=1, end=2.5) == 45
    assert info.frames_at(end=3.01) == 90
    still = MediaInfo("a.png", (32, 64), Fraction(16), 1, timed=False)
    assert still.frames_at(Fraction(24)) == 1
    assert MediaInfo("test:bars", (32, 64), Fraction(16), None).frames_at() is None


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [(3, None, "lasts 3.000 s"), (0, 4, "end 4 s is past"), (2, 1, "not after start")],
)
def test_a_range_that_is_not_there_is_refused(start: float, end: float | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        MediaInfo("a.mp4", (32, 64), Fraction(30), 90).frames_at(start=start, end=end)


def test_probing_loads_nothing_heavy() -> None:
    code = "import sys, vacestream.media.probe; print({'torch', 'cv2', 'diffusers'} & set(sys.modules))"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "set()"


def _ffmpeg(*args: str) -> None:
    subprocess.run([ffmpeg.exe(), "-v", "error", "-y", *args], check=True)
