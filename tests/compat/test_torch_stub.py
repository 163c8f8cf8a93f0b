"""The stand-in for torch reads like torch, and says what it hasn't got."""

from __future__ import annotations

import numpy as np
import pytest

from edge_med.compat import torch_stub as torch


def test_a_tensor_is_sliced_and_read_like_torchs() -> None:
    ids = torch.tensor([[2, 5, 7]])
    assert ids.shape == (1, 3)
    assert ids.shape[-1] == ids.size(-1) == len(ids[0]) == 3
    assert ids[0][1:].tolist() == ids[0, 1:].tolist() == [5, 7]
    assert [int(token) for token in ids[0]] == [2, 5, 7]
    assert ids[0][0].item() == 2
    assert ids.dtype is torch.long
    assert np.asarray(ids).sum() == 14
    assert (ids == 5).tolist() == [[False, True, False]]


def test_axes_of_length_one_go_as_with_torch() -> None:
    ids = torch.tensor([[[2], [5]]])
    assert ids.squeeze().shape == (2,)
    assert ids.squeeze(0).shape == ids.squeeze(0).squeeze(0).shape == (2, 1)
    assert ids.numel() == 2


def test_there_is_no_cuda_to_ask_for() -> None:
    assert not torch.cuda.is_bf16_supported()
    assert torch.cuda.memory_allocated() == torch.cuda.max_memory_allocated(0) == 0
    torch.cuda.empty_cache()
    torch.cuda.manual_seed_all(7)


def test_a_tensor_leaves_the_graph_and_the_device_as_with_torch() -> None:
    values = torch.tensor([0.5, 2.0], dtype=torch.bfloat16)
    assert values.detach().cpu().float().dtype is torch.float32
    assert values.detach().cpu().tolist() == [0.5, 2.0]
    assert values.long().tolist() == [0, 2]
    copy = values.clone()
    assert copy is not values
    assert copy.dtype is torch.bfloat16
    assert isinstance(values, vars(torch)["Tensor"])


def test_numbers_are_drawn_as_they_were_after_the_same_seed() -> None:
    torch.manual_seed(-7)
    first = torch.randint(0, 9, (2, 3)).tolist()
    torch.manual_seed(-7)
    assert torch.randint(0, 9, (2, 3)).tolist() == first
    assert all(0 <= number < 9 for row in first for number in row)


def test_a_type_changes_the_name_and_a_device_nothing() -> None:
    values = torch.tensor([0.5])
    half = values.to("cuda", dtype=torch.bfloat16)
    assert half.dtype is torch.bfloat16
    assert half.tolist() == torch.tensor([0.5]).tolist()
    assert str(half.device) == "cpu"
    assert values.to("cuda") is values


def test_inference_mode_stands_before_a_block_or_a_function() -> None:
    @torch.no_grad()
    def answer() -> int:
        return 3

    with torch.inference_mode():
        assert answer() == 3


def test_a_name_that_is_missing_says_what_to_do() -> None:
    with pytest.raises(AttributeError, match="with torch installed, it is the real one"):
        torch.nn  # noqa: B018
