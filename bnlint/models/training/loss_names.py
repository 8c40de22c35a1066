"""The names of torch that training code is read by."""

from __future__ import annotations

ACTIVATIONS = {
    "Softmax": "softmax",
    "LogSoftmax": "log_softmax",
    "Sigmoid": "sigmoid",
    "LogSigmoid": "logsigmoid",
    "softmax": "softmax",
    "log_softmax": "log_softmax",
    "sigmoid": "sigmoid",
    "logsigmoid": "logsigmoid",
    "log": "log",
    "expit": "sigmoid",
    "tanh": "tanh",
    "exp": "exp",
}
"""The classes, functions and methods of activations."""

KEEPS_RESULT = frozenset(
    ("view", "reshape", "squeeze", "unsqueeze", "flatten", "permute", "transpose", "contiguous",
     "float", "double", "half", "to", "cuda", "cpu", "type", "clone", "t", "view_as", "reshape_as",
     "narrow", "expand", "expand_as", "detach", "requires_grad_", "swapaxes", "type_as", "clamp",
     "masked_select")
)  # fmt: skip
"""Methods after which the numbers are still those of the model's result, or a part of them."""

KEEPS_MODEL = frozenset(
    ("to", "cuda", "cpu", "train", "eval", "half", "float", "double", "requires_grad_", "apply",
     "share_memory", "xpu", "to_empty", "type", "bfloat16", "compile")
)  # fmt: skip
"""Methods of a model or a loss that return the object itself."""

WRAPPERS = frozenset(
    ("DataParallel", "DistributedDataParallel", "FullyShardedDataParallel", "DDP", "FSDP",
     "compile", "script", "deepcopy", "convert_sync_batchnorm", "convert_syncbn_model",
     "prepare", "prepare_model", "setup", "setup_module", "initialize", "data_parallel")
)  # fmt: skip
"""Functions that return the model that they are given, and other arguments beside it."""

WITHOUT_GRADIENTS = frozenset(("no_grad", "inference_mode"))

DECIDES_OUTPUT = ("softmax", "sigmoid", "activation", "act", "logit", "prob", "final", "last")
"""Parts of the names of arguments that may decide what a model ends in."""
