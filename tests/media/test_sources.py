import os
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.sources import Source, open_source
from vacestream.media.video import VideoSource

Clip = Callable[..., str]
Numbers = Callable[[np.ndarray], list[int]]


def everything(source: Source, n: int = 7) -> np.ndarray:
    """Read a source to its end, n frames at a time."""
    parts = [source.read(n)]
    while len(parts[-1]) == n:
        parts.append(source.read(n))
    source.close()
    return np.concatenate(parts)


def first(source: Source, n: int) -> np.ndarray:
    """The first n frames of a source that may be endless."""
    frames = source.read(n)
    source.close()
    return frames


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Images 1.png to 12.png, each as bright as its number times ten."""
    path = tmp_path / "shots"
    path.mkdir()
    for number in range(1, 13):
        Image.new("RGB", (64, 32), (number * 10,) * 3).save(path / f"{number}.png")
    (path / "notes.txt").touch()
    (path / ".hidden.png").touch()
    return path


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "avi"])
@pytest.mark.parametrize("fps", [Fraction(24000, 1001), Fraction(16)])
def test_every_frame_of_a_file_is_read_once_and_in_order(
    clip: Clip, numbers: Numbers, suffix: str, fps: Fraction
) -> None:
    source = open_source(clip(f"a.{suffix}", 50, fps=fps))
    assert (source.fps, source.num_frames, source.size) == (fps, 50, (32, 64))
    assert numbers(everything(source)) == list(range(50))


def test_any_file_name_is_read(clip: Clip, numbers: Numbers) -> None:
    assert numbers(everything(open_source(clip("take 1: 'a' %d, -b.mp4", 3)))) == [0, 1, 2]


def test_an_odd_size_is_kept(clip: Clip) -> None:
    frames = everything(open_source(clip("a.mkv", 3, "-c:v", "ffv1", "-pix_fmt", "bgr0", size=(33, 65))))
    assert frames.shape == (3, 33, 65, 3)


def test_a_range_is_cut_to_the_frame(clip: Clip, numbers: Numbers) -> None:
    path = clip("a.mp4", 48)
    assert numbers(everything(open_source(path, start=0.5, end=1))) == list(range(12, 24))
    assert numbers(everything(open_source(path, start=47 / 24))) == [47]


@pytest.mark.parametrize("suffix", ["mp4", "mkv", "ts"])
def test_seeking_far_lands_on_the_frame(clip: Clip, numbers: Numbers, suffix: str) -> None:
    path = clip(
        f"a.{suffix}",
        250,
        "-c:v",
        "libx264",
        "-g",
        "24",
        "-crf",
        "10",
        "-pix_fmt",
        "yuv420p",
        fps=Fraction(8),
    )
    assert numbers(everything(open_source(path, start=12.5))) == list(range(100, 250))
    assert numbers(everything(open_source(path, start=30, end=30.5))) == list(range(240, 244))


def test_another_rate_keeps_the_duration(clip: Clip, numbers: Numbers) -> None:
    path = clip("a.mp4", 48)
    half, double = open_source(path, fps=Fraction(12)), open_source(path, fps=Fraction(48))
    assert (half.num_frames, double.num_frames) == (24, 96)
    shown = numbers(everything(half))
    assert all(abs(number - 2 * i) <= 1 for i, number in enumerate(shown))
    assert numbers(everything(double))[::2] == list(range(48))


def test_a_variable_rate_becomes_constant_in_time(clip: Clip, numbers: Numbers) -> None:
    dropped = ["-vf", "select=not(between(n\\,10\\,19))", "-fps_mode", "vfr"]
    path = clip("a.mkv", 48, *dropped, "-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p")
    assert numbers(everything(open_source(path))) == [9 if 10 <= i < 20 else i for i in range(48)]
    assert numbers(everything(open_source(path, start=0.5))) == [9 if i < 20 else i for i in range(12, 48)]


def test_a_long_last_frame_lasts(clip: Clip, numbers: Numbers) -> None:
    path = clip("a.mp4", 48, "-vf", "select=lt(n\\,10)+eq(n\\,47)", "-fps_mode", "vfr", "-pix_fmt", "yuv420p")
    assert numbers(everything(open_source(path)))[:48] == [*range(10)] + [9] * 37 + [47]


def test_a_turned_clip_is_upright(clip: Clip, tmp_path: Path) -> None:
    turned = tmp_path / "turned.mp4"
    command = [
        ffmpeg.exe(),
        "-v",
        "error",
        "-display_rotation",
        "90",
        "-i",
        clip("a.mp4", 20),
        "-c",
        "copy",
        turned,
    ]
    subprocess.run(command, check=True)
    frames = everything(open_source(str(turned)))
    assert frames.shape == (20, 64, 32, 3)
    assert np.abs(frames[19, [48, 16], 16].astype(int) - [[24], [56]]).max() <= 2, (
        "left (1) below, right (3) above"
    )


def test_crop_fills_and_letterbox_shows_everything(clip: Clip) -> None:
    path = clip("a.mp4", 20)
    cropped = everything(open_source(path, size=(64, 64), fit="crop"))[19]
    assert np.abs(cropped[:, [8, 56]].astype(int) - [[[24], [56]]]).max() <= 3
    boxed = everything(open_source(path, size=(64, 64), fit="letterbox"))[19]
    assert boxed[:16].max() == boxed[48:].max() == 0
    assert np.abs(boxed[20:44][:, [8, 56]].astype(int) - [[[24], [56]]]).max() <= 3


def test_looping_starts_again_and_holding_stays(clip: Clip, numbers: Numbers) -> None:
    path = clip("a.mp4", 5)
    loop, hold = open_source(path, at_end="loop", start=1 / 24), open_source(path, at_end="hold")
    assert loop.num_frames is hold.num_frames is None
    assert numbers(first(loop, 10)) == [1, 2, 3, 4, 1, 2, 3, 4, 1, 2]
    assert numbers(hold.read(3)) == [0, 1, 2]
    assert numbers(first(hold, 5)) == [3, 4, 4, 4, 4]


@pytest.mark.parametrize("matrix", ["bt601", "bt709"])
@pytest.mark.parametrize("span", ["tv", "pc"])
def test_the_colour_matrix_and_range_of_a_file_are_honoured(
    clip: Clip, tmp_path: Path, matrix: str, span: str
) -> None:
    space = {"bt601": "smpte170m", "bt709": "bt709"}[matrix]
    convert = f"scale=out_color_matrix={matrix}:out_range={span},setparams=colorspace={space}:range={span}"
    image = np.zeros((32, 96, 3), np.uint8)
    for i, colour in enumerate([(200, 30, 40), (20, 180, 60), (250, 250, 250)]):
        image[:, 32 * i : 32 * i + 32] = colour
    path = tmp_path / "a.mp4"
    command = [ffmpeg.exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x32", "-i", "-"]
    command += ["-vf", convert, "-crf", "5", "-pix_fmt", "yuv420p", str(path)]
    subprocess.run(command, input=image.tobytes(), check=True)
    frame = everything(open_source(str(path)))[0]
    assert np.abs(frame[16, 16::32].astype(int) - image[16, 16::32]).max() <= 3


def test_damage_is_told_and_never_shortens_a_clip(clip: Clip) -> None:
    path = Path(clip("a.mp4", 48, "-c:v", "libx264", "-g", "1", "-pix_fmt", "yuv420p"))
    data = bytearray(path.read_bytes())
    data[len(data) // 3 : len(data) // 2] = bytes(len(data) // 2 - len(data) // 3)
    path.write_bytes(data)
    with pytest.warns(UserWarning, match=r"a\.mp4: damaged in places"):
        assert len(everything(open_source(str(path)))) == 48


def test_a_decoder_that_stops_is_an_error(clip: Clip) -> None:
    source = open_source(clip("a.mp4", 240))
    assert isinstance(source, VideoSource)
    source._child.process.kill()
    with pytest.raises(InputError, match=r"a\.mp4: decoding stopped after \d+ of 240 frames"):
        everything(source)


def test_an_image_folder_is_read_in_natural_order(folder: Path) -> None:
    frames = everything(open_source(str(folder)))
    assert frames[:, 0, 0, 0].tolist() == [number * 10 for number in range(1, 13)]


def test_images_are_a_frame_each_at_any_rate(folder: Path) -> None:
    source = open_source(str(folder), fps=Fraction(24), start=2 / 24, end=5 / 24, size=(16, 16))
    assert everything(source)[:, 0, 0, 0].tolist() == [30, 40, 50]


def test_a_numbered_pattern_is_read_and_its_gaps_are_refused(folder: Path) -> None:
    pattern = str(folder / "%d.png")
    assert len(everything(open_source(pattern))) == 12
    (folder / "7.png").unlink()
    with pytest.raises(InputError, match="number 7 is missing"):
        open_source(pattern)


def test_images_of_two_sizes_are_refused_by_name(folder: Path) -> None:
    Image.new("RGB", (32, 32)).save(folder / "9.png")
    with pytest.raises(InputError, match=r"9\.png: is 32x32, the first image is 64x32"):
        everything(open_source(str(folder)))


def test_what_is_transparent_in_a_still_is_white(tmp_path: Path) -> None:
    Image.new("RGBA", (64, 32), (255, 0, 0, 0)).save(tmp_path / "a.png")
    assert everything(open_source(str(tmp_path / "a.png"))).min() == 255


def test_a_16_bit_still_keeps_its_brightness(tmp_path: Path) -> None:
    Image.fromarray(np.full((32, 64), 0x8080, np.uint16)).save(tmp_path / "a.png")
    assert np.unique(everything(open_source(str(tmp_path / "a.png")))).tolist() == [0x80]


@pytest.mark.parametrize("name", ["bars", "gradient", "noise", "checker", "counter"])
def test_patterns_are_the_same_however_they_are_read(name: str) -> None:
    whole = first(open_source(f"test:{name}:3", size=(32, 48)), 12)
    pieces = open_source(f"test:{name}:3", size=(32, 48))
    assert np.array_equal(whole, np.concatenate([pieces.read(5), pieces.read(7)]))
    assert np.array_equal(whole[4:], first(open_source(f"test:{name}:3", size=(32, 48), start=4 / 16), 8))
    assert whole.shape == (12, 32, 48, 3)
    assert not np.array_equal(whole[0], whole[1])


def test_an_unknown_pattern_is_refused_with_the_known() -> None:
    with pytest.raises(InputError, match="test:bars"):
        open_source("test:nope")


READER = """
import sys
from fractions import Fraction
from vacestream.media.probe import probe
from vacestream.media.sources import open_source
info = probe("-")
assert (info.size, info.fps, info.num_frames) == ((32, 64), Fraction(24000, 1001), None)
source = open_source("-", **eval(sys.argv[1]))
sys.stdout.buffer.write(source.read(1000).tobytes())
"""


def piped(data: bytes, options: str = "{}") -> "subprocess.CompletedProcess[bytes]":
    """What a process reads that gets `data` on stdin."""
    return subprocess.run(
        [sys.executable, "-c", READER, options], input=data, capture_output=True, check=False
    )


@pytest.fixture
def y4m(clip: Clip) -> Callable[[int], bytes]:
    """y4m(num_frames): a stream of numbered frames."""
    return lambda num_frames: Path(
        clip("a.y4m", num_frames, "-pix_fmt", "yuv420p", fps=Fraction(24000, 1001))
    ).read_bytes()


def test_y4m_on_stdin_is_read(y4m: Callable[[int], bytes], numbers: Numbers) -> None:
    done = piped(y4m(20))
    assert done.returncode == 0, done.stderr.decode()
    assert numbers(np.frombuffer(done.stdout, np.uint8).reshape(-1, 32, 64, 3)) == list(range(20))


def test_stdin_can_be_cut_resampled_and_fitted(y4m: Callable[[int], bytes], numbers: Numbers) -> None:
    data = y4m(24)
    done = piped(
        data, "{'start': 2 / 23.976, 'end': 7 / 23.976, 'fps': Fraction(48000, 1001), 'size': (64, 128)}"
    )
    assert numbers(np.frombuffer(done.stdout, np.uint8).reshape(-1, 64, 128, 3))[::2] == [2, 3, 4, 5, 6]


def test_stdin_cannot_be_looped() -> None:
    with pytest.raises(InputError, match="cannot be looped"):
        open_source("-", at_end="loop")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_is_read_by_several_in_step(
    tmp_path: Path, y4m: Callable[[int], bytes], numbers: Numbers
) -> None:
    pipe, data = tmp_path / "pipe", y4m(20)
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    one, other = open_source(str(pipe)), open_source(str(pipe), fps=Fraction(48000, 1001))
    read = [(numbers(one.read(4)), numbers(other.read(8))) for _ in range(5)]
    writer.join(20)
    assert [number for frames, _ in read for number in frames] == list(range(20))
    assert [number for _, frames in read for number in frames[::2]] == list(range(20))
    assert len(one.read(1)) == len(other.read(1)) == 0
    with pytest.raises(InputError, match="pipe: can be read only once"):
        open_source(str(pipe))
    with pytest.raises(InputError, match="pipe: cannot be looped"):
        open_source(str(pipe), at_end="loop")


def test_sprites_and_their_signals_share_a_timeline() -> None:
    pytest.importorskip("vacestream.sprites.source")
    whole = first(open_source("sprites:3", size=(32, 48)), 24)
    assert np.array_equal(whole[16:], everything(open_source("sprites:3", size=(32, 48), start=1, end=1.5)))
    depth = first(open_source("sprites:3", size=(32, 48), signal="depth"), 24)
    assert not np.array_equal(depth, whole)
    looped = open_source("sprites:3", size=(32, 48), start=1, end=1.5, at_end="loop", signal="depth")
    assert np.array_equal(np.concatenate([depth[16:], depth[16:]]), first(looped, 16))


@pytest.mark.parametrize(("where", "said"), [("sprites:x", "is a seed"), ("test:bars", "has no exact depth")])
def test_what_has_no_signal_is_refused(where: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_source(where, signal="depth")


def test_hdr_is_tone_mapped_and_told(clip: Clip, tmp_path: Path) -> None:
    ramp = tmp_path / "ramp.mkv"
    image = np.broadcast_to((np.arange(64) * 4)[None, None, :, None], (1, 32, 64, 3)).astype(np.uint8)
    command = [ffmpeg.exe(), "-v", "error", "-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "64x32", "-i", "-"]
    to_pq = (
        "format=gbrp,setparams=colorspace=gbr:color_primaries=bt709:color_trc=iec61966-2-1:range=pc,"
        "zscale=t=linear:npl=203,format=gbrpf32le,zscale=p=bt2020:t=smpte2084:m=bt2020nc:r=tv:npl=203"
    )
    command += ["-vf", to_pq, "-c:v", "ffv1", "-pix_fmt", "yuv444p10le", str(ramp)]
    subprocess.run(command, input=image.tobytes(), check=True)
    with pytest.warns(UserWarning, match=r"ramp\.mkv: is HDR"):
        frame = everything(open_source(str(ramp)))[0, 16, :, 0].astype(int)
    assert np.abs(frame[:36] - image[0, 16, :36, 0]).max() <= 3, "the dark half is as it was"
    assert (np.diff(frame) >= 0).all()
    assert 190 <= frame[-1] <= 230, "white leaves room for highlights"


def test_more_than_8_bits_are_told(clip: Clip, numbers: Numbers) -> None:
    path = clip("a.mkv", 5, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le")
    with pytest.warns(UserWarning, match="more than 8 bits"):
        source = open_source(path)
    assert numbers(everything(source)) == [0, 1, 2, 3, 4]


def test_closing_early_ends_the_decoder_and_no_thread_is_left(clip: Clip) -> None:
    threads = threading.active_count()
    source = open_source(clip("a.mp4", 48))
    source.read(3)
    source.close()
    source.close()
    assert threading.active_count() == threads
