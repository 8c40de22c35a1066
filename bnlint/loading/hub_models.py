"""Models of libraries that download their weights, and sometimes their settings, from a hub.

They are built with the settings that their class has by default. The libraries are changed when
they are imported; none is imported for it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import sys
from collections.abc import Callable
from typing import Any, NoReturn, cast

import torch
import torch.hub
from torch import nn

from bnlint.loading.changes import change_on_import
from bnlint.loading.user_code import DownloadDenied
from bnlint.loading.weights import LEFT_OUT, mark

_TORCHVISION = "pytorch/vision"
_VECTORS = re.compile(r"(?i)embed|glove|w2v|word2?vec|fasttext|sgns|vectors")
"""What files of vectors of words are called."""

_ROWS = (1000, 300)
_OPTIONS_OF_HUB = ("source", "trust_repo", "force_reload", "verbose", "skip_validation")


def without_hub() -> None:
    """Let models of known libraries do without their hub, from now on; for child processes."""
    if change_on_import(_CHANGES):
        torch.hub.load = _without_foreign_code(torch.hub.load)


class HubModel(nn.Module):
    """The place of a model that only the code of a repository on the hub builds."""

    def __init__(self, source: str, name: str) -> None:
        super().__init__()
        self.source, self.name = source, name

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            if name.startswith("_"):
                raise
            said = f"`{self.name}` of {self.source} is not downloaded: its `{name}` is not known"
            raise AttributeError(said) from None

    def forward(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: nothing is known of what the model does."""
        raise NotImplementedError(f"`{self.name}` of {self.source} is not downloaded")


def _without_foreign_code(load: Callable[..., Any]) -> Callable[..., Any]:
    """``torch.hub.load`` that takes the models of torchvision from the package, if it is there.

    Of other repositories it takes only what is on this disk because the user put it there.
    """

    def load_model(repo_or_dir: Any, model: Any = "", *args: Any, **kwargs: Any) -> Any:
        if str(repo_or_dir).partition(":")[0] == _TORCHVISION:
            with contextlib.suppress(ImportError):
                make = getattr(importlib.import_module("torchvision.models"), str(model), None)
                if make is not None:
                    own = {key: v for key, v in kwargs.items() if key not in _OPTIONS_OF_HUB}
                    return make(*args, **own)
        try:
            return load(repo_or_dir, model, *args, **kwargs)
        except DownloadDenied as denied:
            return HubModel(denied.target, str(model))

    return load_model


def _change_timm(module: Any) -> None:
    """Models get no weights, whatever their configuration says about a source."""

    def load_pretrained(model: Any, *_: Any, **__: Any) -> None:
        config = getattr(model, "pretrained_cfg", None) or {}
        name = config.get("architecture") or type(model).__name__
        _without(model, str(name))

    module.load_pretrained = load_pretrained


def _change_hub(module: Any) -> None:
    """Files of the hub have a name, and are absent."""

    def hf_hub_download(repo_id: str, filename: str = "", *_: Any, **__: Any) -> str:
        return f"{repo_id}/{filename}"

    module.hf_hub_download = hf_hub_download


def _change_safetensors(module: Any) -> None:
    def load_file(filename: Any, *_: Any, **__: Any) -> Any:
        return LEFT_OUT.absent(filename)

    module.load_file = load_file


def _change_pretrained(module: Any) -> None:
    """Models of transformers are built from settings: those given, else the class's own."""

    def from_pretrained(
        cls: Any, /, name: Any = None, *args: Any, config: Any = None, **_: Any
    ) -> Any:
        settings = config if config is not None and not isinstance(config, str) else None
        model = cls(settings or cls.config_class(), *args)
        return _without(model, str(name))

    module.PreTrainedModel.from_pretrained = classmethod(cast(Any, from_pretrained))


def _without(model: Any, name: str) -> Any:
    """The model, noted as one that did not get the weights of that name."""
    LEFT_OUT.sources.append(name)
    mark(model, name)
    return model


def _change_settings(module: Any) -> None:
    def from_pretrained(cls: Any, /, name: Any = None, *_: Any, **kwargs: Any) -> Any:
        LEFT_OUT.sources.append(str(name))
        made = cls()
        known = {key: value for key, value in kwargs.items() if hasattr(made, key)}
        made.update(
            {"num_labels": kwargs["num_labels"], **known} if "num_labels" in kwargs else known
        )
        return (made, {}) if kwargs.get("return_unused_kwargs") else made

    base = getattr(module, "PretrainedConfig", None) or module.PreTrainedConfig
    base.from_pretrained = classmethod(cast(Any, from_pretrained))


def _change_auto_models(module: Any) -> None:
    """The type of a model is read from the name of its weights: ``bert-base-uncased``."""

    def from_pretrained(
        cls: Any, /, name: Any = None, *_: Any, config: Any = None, **kwargs: Any
    ) -> Any:
        settings = config if config is not None else _auto_config(name, kwargs)
        model = cls.from_config(settings)
        return _without(model, str(name))

    module._BaseAutoModelClass.from_pretrained = classmethod(cast(Any, from_pretrained))


def _change_auto_settings(module: Any) -> None:
    def from_pretrained(cls: Any, /, name: Any = None, *_: Any, **kwargs: Any) -> Any:
        LEFT_OUT.sources.append(str(name))
        return _auto_config(name, kwargs)

    module.AutoConfig.from_pretrained = classmethod(cast(Any, from_pretrained))


def _auto_config(name: Any, kwargs: dict[str, Any]) -> Any:
    """The default settings of the type of model that a name begins with or contains."""
    auto: Any = sys.modules["transformers.models.auto.configuration_auto"]
    text = str(name).lower().rpartition("/")[2].replace("-", "_")
    types = [t for t in auto.CONFIG_MAPPING_NAMES if t.replace("-", "_") in text]
    if not types:
        raise DownloadDenied(f"huggingface.co/{name}")
    made = auto.CONFIG_MAPPING[max(types, key=len)]()
    made.update({key: value for key, value in kwargs.items() if hasattr(made, key)})
    return made


def _change_tokenizers(module: Any) -> None:
    def from_pretrained(cls: Any, /, name: Any = None, *_: Any, **__: Any) -> Any:
        return LEFT_OUT.absent(name)

    module.AutoTokenizer.from_pretrained = classmethod(cast(Any, from_pretrained))


def _change_numpy(module: Any) -> None:
    """Vectors of words are random numbers where their file is not there."""
    load = module.load

    class AbsentVectors(module.ndarray):  # type: ignore[misc]
        """Rows of vectors, whichever entry of an archive they were."""

        files = ("embeddings",)

        def __getitem__(self, key: Any) -> Any:
            return self if isinstance(key, str) else super().__getitem__(key)

    def load_array(file: Any, *args: Any, **kwargs: Any) -> Any:
        named = isinstance(file, (str, os.PathLike)) and _VECTORS.search(os.path.basename(file))
        if not named or os.path.lexists(file):
            return load(file, *args, **kwargs)
        LEFT_OUT.absent(file)
        rows = module.random.default_rng(0).normal(size=_ROWS).astype("float32")
        return rows.view(AbsentVectors)

    module.load = load_array


_CHANGES: dict[str, Callable[[Any], None]] = {
    "numpy": _change_numpy,
    "timm.models._builder": _change_timm,
    "huggingface_hub.file_download": _change_hub,
    "safetensors.torch": _change_safetensors,
    "transformers.modeling_utils": _change_pretrained,
    "transformers.configuration_utils": _change_settings,
    "transformers.models.auto.auto_factory": _change_auto_models,
    "transformers.models.auto.configuration_auto": _change_auto_settings,
    "transformers.models.auto.tokenization_auto": _change_tokenizers,
}
"""What is changed in each module of a library, right after it was imported."""
