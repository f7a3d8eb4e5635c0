import pytest
import torch

from tests.clips import SIZE, pictures
from vacestream.vcu import VCU, Layer

FRAMES = torch.rand(9, 3, *SIZE, generator=torch.Generator().manual_seed(0)) * 2 - 1


def layer(frames: torch.Tensor, masks: torch.Tensor) -> Layer:
    return Layer(frames, masks, masks[:3])


def test_t2v_is_mid_gray_that_is_all_to_be_made():
    unit = layer(torch.zeros(9, 3, *SIZE), torch.ones(9, 1, *SIZE))
    assert not unit.inactive().any()
    assert not unit.reactive().any()
    assert (unit.masks == 1).all()


def test_r2v_adds_references_to_a_layer_of_mid_gray():
    unit = VCU("a dog", (layer(torch.zeros(9, 3, *SIZE), torch.ones(9, 1, *SIZE)),), pictures(2))
    assert [picture.shape for picture in unit.references] == [(3, *SIZE)] * 2


def test_v2v_is_all_reactive():
    unit = layer(FRAMES, torch.ones(9, 1, *SIZE))
    assert torch.equal(unit.reactive(), FRAMES)
    assert not unit.inactive().any()


@pytest.mark.parametrize("soft", [False, True])
def test_mv2v_splits_the_frames_without_loss(soft):
    masks = torch.rand(9, 1, *SIZE, generator=torch.Generator().manual_seed(1))
    masks[0, 0, 0] = 0.5
    unit = layer(FRAMES, masks if soft else masks.round())
    inactive, reactive = unit.inactive(), unit.reactive()
    assert torch.equal(inactive + reactive, FRAMES)
    assert not (inactive.bool() & reactive.bool()).any()
    generated = (masks > 0.5).expand_as(FRAMES)
    assert torch.equal(reactive[generated], FRAMES[generated])
    assert not inactive[generated].any()


def test_references_without_a_layer_to_act_through_are_refused():
    with pytest.raises(ValueError, match="references act through a layer"):
        VCU("a dog", (), pictures(1))


@pytest.mark.parametrize(
    ("frames", "masks", "latent_masks"),
    [
        ((9, 4, 32, 32), (9, 1, 32, 32), (3, 1, 32, 32)),
        ((9, 3, 32, 32), (8, 1, 32, 32), (3, 1, 32, 32)),
        ((9, 3, 32, 32), (9, 1, 32, 32), (3, 1, 4, 4)),
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(frames, masks, latent_masks):
    with pytest.raises(ValueError, match=r"want \[T 3 H W\]"):
        Layer(*(torch.zeros(shape) for shape in (frames, masks, latent_masks)))
