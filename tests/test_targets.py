"""Which files a recipe writes."""

from pathlib import Path

import pytest

from vacestream.errors import RecipeError
from vacestream.recipe import Recipe, load_recipe
from vacestream.targets import refuse_existing, refuse_shared, targets


def read(tmp_path: Path, text: str) -> Recipe:
    (tmp_path / "dance.yaml").write_text(text)
    return load_recipe(tmp_path / "dance.yaml")


def test_the_default_is_the_name_of_the_recipe_in_the_current_folder(tmp_path: Path) -> None:
    assert [target.path for target in targets(read(tmp_path, "prompt: x"), "T2V")] == ["dance.mp4"]


def test_names_in_braces_are_filled_in_and_a_folder_gets_the_default_name(tmp_path: Path) -> None:
    text = "input: sprites:7\nseed: 3\noutput: ['{recipe}-{input}-{task}-{seed}-{pipeline}.mkv', 'out/']\n"
    paths = [target.path for target in targets(read(tmp_path, text), "R2V + depth")]
    assert paths == [str(tmp_path / "dance-sprites-7-r2v-depth-3-sprites.mkv"), f"{tmp_path}/out/dance.mp4"]


def test_what_is_saved_beside_is_named_after_the_video(tmp_path: Path) -> None:
    text = "controls: [depth, flow]\nmask: m.png\noutput: {path: a.mp4, save: [sheet, control, mask]}"
    target = targets(read(tmp_path, text), "depth")[0]
    names = "a.mp4", "a.sheet.png", "a.control.mkv", "a.control2.mkv", "a.mask.mkv"
    assert target.files == tuple(str(tmp_path / name) for name in names)
    assert target.written == (*target.files, str(tmp_path / "a.json"))
    numbered = targets(read(tmp_path, "output: ['f.%05d.png', 'f/%d.png']"), "depth")
    assert [target.sidecar for target in numbered] == [str(tmp_path / "f.json"), None]
    (frames,) = targets(read(tmp_path, "output: {path: 'new/%05d.png', save: sheet}"), "depth")
    assert frames.written[1:] == (str(tmp_path / "new.sheet.png"), str(tmp_path / "new.json"))


def test_what_is_not_there_is_not_saved(tmp_path: Path) -> None:
    for word in ("control", "mask"):
        with pytest.raises(RecipeError, match=rf"dance.yaml:1: output.0.save: there is no {word} to save"):
            targets(read(tmp_path, f"output: {{path: a.mp4, save: {word}}}"), "T2V")


def test_stdout_is_no_file_and_what_is_saved_beside_it_still_is(tmp_path: Path) -> None:
    target = targets(read(tmp_path, "output: {path: '-', save: sheet}"), "depth")[0]
    assert target.files == target.written == ("dance.sheet.png",)


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("clip", "has no ending; write .*clip.mp4"),
        ("clip.docx", "'.docx' is not written; use"),
        ("'{sed}.mp4'", r"\{sed\} stands for nothing; did you mean \{seed\}\?"),
        ("'{}.mp4'", r"\{\} stands for nothing; write one of recipe"),
        ("[a.mp4, ./a.mp4]", "would be written twice"),
        ("{path: a.png, save: sheet}", ""),
    ],
)
def test_a_path_that_cannot_be_meant_is_refused(tmp_path: Path, output: str, said: str) -> None:
    recipe = read(tmp_path, f"prompt: x\noutput: {output}\n")
    if not said:
        assert targets(recipe, "T2V")
        return
    with pytest.raises(RecipeError, match=f"dance.yaml:2: output.*{said}"):
        targets(recipe, "T2V")


def test_two_recipes_that_write_one_file_are_refused(tmp_path: Path) -> None:
    recipe = read(tmp_path, "output: a.mp4")
    jobs = [(recipe, targets(recipe, "T2V")), (recipe, targets(recipe, "T2V"))]
    refuse_shared(jobs[:1])
    with pytest.raises(RecipeError, match="would be written twice"):
        refuse_shared(jobs)


def test_a_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    made = targets(read(tmp_path, "output: {path: a.mp4, save: sheet}"), "T2V")
    refuse_existing(made)
    (tmp_path / "a.sheet.png").touch()
    with pytest.raises(RecipeError, match=r"a\.sheet\.png: exists already; add -y"):
        refuse_existing(made)
