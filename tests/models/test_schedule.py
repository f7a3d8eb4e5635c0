import pytest
import torch

from vacestream.models.schedule import make_schedule, seeded_noise

STEPS = (1000, 750, 500, 250)
SHAPE = (4, 3, 2, 5)


def test_warped_steps_are_those_that_the_few_step_checkpoints_were_trained_on() -> None:
    schedule = make_schedule(STEPS, 5.0, warp=True)
    assert schedule.timesteps == pytest.approx((1000, 937.5, 833.3333, 625), abs=1e-4)
    assert schedule.sigmas == pytest.approx((1, 0.9375, 0.8333333, 0.625), abs=1e-6)


def test_a_shift_of_eight_warps_further() -> None:
    schedule = make_schedule(STEPS, 8.0, warp=True)
    assert schedule.timesteps == pytest.approx((1000, 960, 888.8889, 727.2727), abs=1e-4)


@pytest.mark.parametrize("steps", [(700, 500, 0), (937, 833, 625), (999.9, 12.5)])
def test_unwarped_steps_keep_their_name_and_take_the_nearest_sigma_of_the_table(
    steps: tuple[float, ...],
) -> None:
    schedule = make_schedule(steps, 5.0, warp=False)
    table = [5 * (1 - i / 1000) / (1 + 4 * (1 - i / 1000)) for i in range(1000)]
    assert schedule.timesteps == steps
    for step, sigma in zip(steps, schedule.sigmas, strict=True):
        assert sigma == pytest.approx(min(table, key=lambda s: abs(1000 * s - step)), abs=1e-6)


def test_step_zero_takes_the_last_sigma_of_the_table_which_is_not_zero() -> None:
    assert make_schedule((0,), 5.0, warp=False).sigmas[0] == pytest.approx(0.00498, abs=1e-5)


def test_renoising_to_1000_leaves_the_noise_alone() -> None:
    x0, noise = torch.randn(SHAPE), torch.randn(SHAPE)
    assert torch.equal(make_schedule(STEPS, 5.0, warp=True).renoise(x0, noise, 0), noise)


@pytest.mark.parametrize("step", range(4))
def test_denoising_by_the_true_flow_undoes_renoising(step: int) -> None:
    x0, noise = torch.randn(SHAPE), torch.randn(SHAPE)
    schedule = make_schedule(STEPS, 5.0, warp=True)
    x = schedule.renoise(x0, noise, step)
    torch.testing.assert_close(schedule.denoise(x, noise - x0, step), x0, atol=2e-6, rtol=0)


def test_samples_keep_the_dtype_of_the_model_while_noise_stays_float32() -> None:
    x0, noise = torch.randn(SHAPE).bfloat16(), torch.randn(SHAPE)
    schedule = make_schedule(STEPS, 5.0, warp=True)
    x = schedule.renoise(x0, noise, 1)
    assert x.dtype == schedule.denoise(x, x, 1).dtype == torch.bfloat16
    assert torch.equal(x, (0.0625 * x0.float() + 0.9375 * noise).bfloat16())


def test_noise_depends_on_seed_chunk_and_step_alone() -> None:
    draw = seeded_noise(7)
    want = draw(3, 2, SHAPE)
    torch.manual_seed(0)
    for chunk, step in ((0, 0), (3, 1), (9, 3)):
        draw(chunk, step, SHAPE)
    assert torch.equal(draw(3, 2, SHAPE), want)
    assert torch.equal(seeded_noise(7)(3, 2, SHAPE), want)


def test_noise_differs_in_each_of_seed_chunk_and_step() -> None:
    keys = [(seed, chunk, step) for seed in (1, 11) for chunk in (-1, 1, 11) for step in (1, 11)]
    drawn = [seeded_noise(seed)(chunk, step, SHAPE) for seed, chunk, step in keys]
    for i, one in enumerate(drawn):
        assert not any(torch.equal(one, other) for other in drawn[:i])


def test_noise_is_standard_normal() -> None:
    drawn = seeded_noise(5)(0, 0, (100_000,))
    assert drawn.mean().abs() < 0.02
    assert drawn.std() == pytest.approx(1, abs=0.02)
