"""LoRA adapters of a model: `adapters=`, `load_adapter` and `PeftModel`, of GGUF files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from edge_med.artifacts import split
from edge_med.compat.arguments import refuse_unknown, say
from edge_med.compat.hub import Local
from edge_med.errors import UsageError
from edge_med.library.loaded_adapters import Wanted, find_adapters

if TYPE_CHECKING:
    from edge_med.compat.auto_model import Model

_LOADING = frozenset(
    ["is_trainable", "config", "torch_device", "low_cpu_mem_usage", "revision", "token", "hotswap"]
)


class PeftModel:
    """PEFT's name for a model with an adapter."""

    @staticmethod
    def from_pretrained(
        model: Model, model_id: str | Path, adapter_name: str | None = None, **ignored: Any
    ) -> Model:
        """Load an adapter into a model, which is given back.

        Args:
            model: a model of `AutoModelForCausalLM.from_pretrained` and the like.
            model_id: the adapter's GGUF file.
            adapter_name: the name of the adapter; by default that of the file without `.gguf`.
            ignored: arguments about how PEFT would load it.

        Raises:
            EdgeMedError: as `Model.load_adapter`.
        """
        take_loading("PeftModel.from_pretrained", ignored)
        model.load_adapter(model_id, adapter_name)
        return model


def take_loading(call: str, given: dict[str, Any]) -> None:
    """Accept what only concerns how PEFT would load an adapter.

    Raises:
        UsageError: an argument is unknown.
    """
    refuse_unknown(call, given, _LOADING)
    say(given, "an adapter is loaded with its model, and never trained")


def found(wanted: Wanted, local: Local) -> dict[str, Path]:
    """The files of adapters by name, each checked against the model.

    Raises:
        UsageError: two have the same name, or there is no such file here.
        ArtifactError: one is no adapter that can be applied.
        PairingError: one is made for a model of another shape.
    """
    if not wanted:
        return {}
    if isinstance(wanted, str) and not Path(wanted).exists():
        raise UsageError(
            f"There is no adapter '{wanted}' on this machine, and nothing is downloaded.",
            "Give the path of its GGUF file; of PEFT's, edge-med convert --as-gguf makes one.",
        )
    header, _ = split.read_model(local.text)
    return {one.name: one.path for one in find_adapters(wanted, header)}
