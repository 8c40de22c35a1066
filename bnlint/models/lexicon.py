"""What names say: of parameters, settings, attributes and functions; every such table is here.

In a table of patterns, the first row that matches wins. The numbers agree with each other on
purpose: every width is a multiple of every number of heads and groups, and a profile decides how
many channels go in and come out.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from torch import nn

WIDTH = 64


@dataclass(frozen=True, slots=True)
class Profile:
    """One consistent set of numbers; with ``lists``, ``layers`` counts the layers of each stage."""

    channels_in: int
    channels_out: int
    lists: bool = True


@dataclass(frozen=True, slots=True)
class Either:
    """A name that may ask for a list or for one number."""

    several: tuple[int, ...]
    one: int


PROFILES = (Profile(3, WIDTH), Profile(WIDTH, WIDTH, lists=False), Profile(WIDTH, 2 * WIDTH))
"""A model that reads images, a block that keeps its width, a block that widens."""

Meaning = str | int | float | bool | Either

_N = r"(n|num|nb|number_of)?_?"
_CHANNELS = r"(c|ch|chs|chans?|channels?|nc|filters|feature_maps|planes)"

_ROWS: tuple[tuple[Meaning, tuple[str, ...]], ...] = (
    ("in", (r"(c|ch)(_?in|1)", r"in_?planes?", r"nc_in", r"in_?nc", r"inp", r"n_?in")),
    ("in", (rf"{_N}(in|input|image|img)_?{_CHANNELS}", rf"{_N}channels?_?in", r"colou?rs")),
    ("in", (rf"{_N}(chs|chans?|channels?)", r"nc")),
    ("width", (r"(in|input)_?(features?|feats?|dims?|size|width)", r"d_?in", r"dim_?in")),
    ("width", (r"(n|num)_(inputs?|features?)", r"feature_?(size|dim)")),
    ("out", (r"(c|ch)(_?out|2)", r"out_?planes?", r"planes?", r"oup", r"n_?out", r"out_?nc")),
    ("out", (rf"{_N}(out|output)_?{_CHANNELS}", r"d_?out", r"dim_?out")),
    ("out", (r"(out|output)_?(features?|feats?|dims?|size)", r"(n|num)_outputs?")),
    ("out", (r"(n|num)?_?filters?",)),
    (10, (rf"{_N}(class|classes|labels?|categories|cls|targets|actions?)", r"action_(dim|size)")),
    (100, (rf"{_N}(vocab|tokens?|words?|embeddings|emb)(_?size)?", r"ntoken")),
    (100, (r"(src|tgt|input|output)_?vocab(_?size)?", r"(n|num)_?(users?|items?)")),
    (4, (r".*heads?", r"n_?head", r"nhead")),
    (1, (r"(n|num)?_?groups?",)),
    (3, (r"kernel(_?size)?s?", r"ks?", r"k_size", r"filter_?(size|width)s?")),
    (1, (r"strides?", r"s", r"dilations?", r"dilation_?rate", r"rate", r"t", r"cardinality")),
    (1, (r"expan(d|sion)(_?(ratio|factor))?", r"factor", r"width_mult(iplier)?")),
    (2, (r"(\w_|up_?|down_?)?scales?(_?factor)?",)),
    (1, (r"paddings?", r"pad", r"p")),
    (0, (r"(\w+_)?(idx|index|token_id)", r"(pad|padding|bos|eos|sos|unk|mask|cls|sep)_?id")),
    (0.1, (r"(\w+_)?drop(out)?s?(_?(p|rate|prob|path))?", r"pdrop")),
    (1e-5, (r"(bn_?|norm_?)?eps(ilon)?",)),
    (0.1, (r"(bn_?)?momentum",)),
    (0.5, (r"alpha", r"beta", r"gamma", r"temp(erature)?", r"margin", r".*ratio", r".*slope")),
    (4, (r"reduction", r"squeeze", r"r")),
    (Either((2, 2, 2, 2), 2), (r"layers", r"depths?", r"(n|num)?_?blocks", r"layer_?(sizes|dims)")),
    (Either((2, 2, 2, 2), 2), (r"block_?(config|layers)",)),
    (2, (rf"{_N}(hidden_)?layers?", r"n")),
    (2, (rf"{_N}(res_?)?(blocks?|stages?|repeats?|convs?|units?|modules?|stacks?)",)),
    (8, (r"(n|num)?_?modes\d?|mode\d",)),
    (4, (r"patch", r"window", r"tile", r"ws", r"(\w+_)?(patch|window|tile|chunk)_?size")),
    (32, (r"(image|img|input|in)_?(size|res|resolution|shape|hw|height|width|h|w)",)),
    (32, (r"(h|w|height|width)_?(image|img|input)(_?(size|res|shape))?",)),
    (32, (r"resolution", r"height", r"width", r"size", r"h", r"w")),
    (16, (r"(max_?)?(seq|sequence|context|block)_?(len|length|size)?", r"max_?len(gth)?")),
    (16, (r"(n|num)_?patches", r"length")),
    (1000, (r"n_times(amples|teps)?", r"(n|num)_(time_)?samples")),
    (32, (r"growth(_?rate)?", r"k")),
    (100, (r"(latent|noise|z|nz|code)(_?(dims?|size|ch|channels?))?",)),
    (8, (r"(n|num)_?(queries|experts|anchors|points|joints|keypoints|steps|frames|nodes)",)),
    (False, (r"bias", r"(use|with|is|has)_?\w+", r"affine", r"residual", r"downsample")),
    (False, (r"batch_?norm", r"bn", r"norm")),
    ("width", (r"[cdf]", r"ch", r"dim")),
    ("width", (r".*(hidden|dim|width|feat|size|channel|planes|emb|units|model|base).*",)),
    ("width", (r"n[dg]?f",)),
    (2, (r"\w+_depths?", r"(\w+_)?repeats?", r"\w+_factor", r"recursi(ve|ons?)")),
    (4, (r"(n|num|nb|number_of|max|min)_\w+",)),
)
_NUMBERS = tuple((re.compile("|".join(patterns)), value) for value, patterns in _ROWS)

_LAYER_TYPES: tuple[tuple[str, type[nn.Module]], ...] = (
    (r".*(norm|bn).*", nn.BatchNorm2d),
    (r".*(act|activation|nonlinear|nl|relu).*", nn.ReLU),
    (r".*conv.*", nn.Conv2d),
)
LAYER_PARAMETER = re.compile(
    r".*(_layer|_func|_fn|_class|_cls|layer_type)|block|activation|act|norm"
)
CONFIG = re.compile(r".*(config|cfg|args?|opts?|options|hparams|hps?|params|settings|conf|flags)")
TIMES = re.compile(r"t|ts|time|times|timestep|timesteps|step|steps|sigma|noise_level")
LOSS = re.compile(r"(loss|criterion|metric|wrapper)$")
TARGET = re.compile(r"(targets?|labels?|gt|ground_truth|y_true)(_\w+)?")
"""Classes that compare results with targets, and the inputs that hold the targets."""
SIZE_METHODS = re.compile(
    r"get_\w+|(n|num)_\w+|(\w+_)?(size|dims?|channels|classes|features|length|index|idx)"
)
"""Methods of vocabularies, data sets and encoders that return a size or a place."""
LOGS = re.compile(r"(\w+_)?(log|logger|log_?file|writer|stdout)")
MODELS = ("module", "model", "net", "network")
"""Parameters for a class of layers, a settings object, a diffusion step, a whole model."""

_WORDS = tuple(
    (value, re.compile(rf"(\w+_)?({pattern})(_?(name|fn|func|function|type|mode|layer))?"))
    for value, pattern in (
        ("relu", "act|activation|nonlinearity|nl"),
        ("batch", "norm|normalization"),
        ("zeros", "pad|padding"),
        ("mean", "pool|pooling|reduction|reduce|aggr|aggregation"),
        ("cpu", "device|dev"),
    )
)

WITHOUT_WEIGHTS = {
    **dict.fromkeys(("pretrained", "pretrained_backbone", "use_pretrained"), False),
    **dict.fromkeys(("load_weights", "load_pretrained", "pretrained_weights"), False),
    **dict.fromkeys(("weights", "weights_backbone", "encoder_weights")),
}
"""Arguments that say which weights to download, and the value that downloads none."""

IMAGE_SIZE = re.compile(
    r"(image|img)_?(size|res|resolution|shape|hw|height|h)s?|resolution|crop_size"
    r"|(h|height)_?(image|img)(_?(size|res))?|(size|shape|res)_(of_)?(image|img)s?"
)
IMAGE_HEIGHT = re.compile(
    r"((image|img|input|in)_?)?height|(image|img|input|in)_?h|(h|height)_?(image|img|input)(_?(size|res))?"
)
IMAGE_WIDTH = re.compile(
    r"((image|img|input|in)_?)?width|(image|img|input|in)_?w|(w|width)_?(image|img|input)(_?(size|res))?"
)
INPUT_SIZE = re.compile(r"(input|in)_?(size|res|resolution|shape|hw)|(size|shape)_(of_)?(in|input)")
IMAGE_CHANNELS = re.compile(
    r"(n|num)?_?(in|input|image|img)?_?(chs?|chans?|channels?)|(in|img)_(c|nc)|c_in"
)
LENGTH_NAMES = re.compile(
    r"(seq|sequence|input|signal|sent|sentence|text)_?(len|length)|n_times|(n|num)_(time_)?samples"
)
FRAMES = re.compile(r"(n|num)?_?frames")
"""Arguments and attributes of a model that state a size of its input."""

OF_WAVEFORMS = ("Spectrogram", "MelSpectrogram", "MFCC", "LFCC")
"""Layers that read a waveform, whichever package they are of."""

WHOLE_TENSORS = ("randint", "LongTensor", "arange")
TENSORS = ("randn", "rand", "zeros", "ones", "empty", "Tensor", "FloatTensor", *WHOLE_TENSORS)
"""Functions that create a tensor of a given shape, some of whole numbers."""

SAME_DATA = (
    *("cuda", "to", "float", "double", "half", "long", "int", "contiguous", "clone", "detach"),
    *("requires_grad_", "cpu", "type", "type_as", "bfloat16"),
)
"""Methods that return the same values, maybe of another type or elsewhere."""

LENGTHS = re.compile(r"(\w+_)?(len|lens|length|lengths)(_\w+)?")
BOUNDS = re.compile(r"(\w+_)?cu_?(seq_?)?lens?(_\w+)?|(\w+_)?cumulative_(seq_?)?len(gth)?s?")
MASKS = re.compile(r"(\w+_)?masks?(_\w+)?")
TARGETS = re.compile(r"y|(\w+_)?(labels?|targets?|gts?|trg_y|classes|cls)")
EDGES = re.compile(r"edge_?(index|indices|list)s?")
ADJACENCY = re.compile(r"adj|adjacency(_matrix)?|adj_?(mat|matrix)|a_hat|graph|laplacian")
OWNERS = re.compile(r"batch(_?(index|idx|indices))?")
STATES = re.compile(r"(\w+_)?(hidden|hiddens|h|hx|hc|h0|h_0|state|states|prev_state|init_state)")
OFFSETS = re.compile(r"(\w+_)?(start|pos|position|offset|idx|index|past)(_\w+)?")
CACHES = re.compile(r"(use|with)_(kv_)?cache")
DEVICES = re.compile(r"(\w+_)?(device|dev)")
ON_GPU = re.compile(r"((use|on)_?)?(cuda|gpu)")
SWITCHES = re.compile(r"verbose|debug|((return|output|with|use|is|do|need)_\w+)")
TRAINING = re.compile(r"(is_?)?train(ing)?(_mode)?")
COEFFICIENTS = re.compile(r"alpha|lam|lambda_?|lambd|lamda|temperature|tau|fade(_?in)?(_?alpha)?")
"""What arguments of a forward are called that are not images or features."""

CROPS = (
    *("Resize", "CenterCrop", "RandomCrop", "RandomResizedCrop", "RandomSizedCrop", "Scale"),
    *("FiveCrop", "TenCrop", "CenterCropVideo", "RandomCropVideo"),
)
IMAGE_SETS = {
    **dict.fromkeys(("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST", "Omniglot"), 28),
    **dict.fromkeys(("CIFAR10", "CIFAR100", "SVHN"), 32),
    "USPS": 16,
    "STL10": 96,
    "ImageNet": 224,
    "LFWPeople": 250,
}
"""Transforms that state the size of an image, and data sets with the size of theirs."""

EXAMPLES = (
    *("example_input_array", "dummy_inputs", "dummy_input", "example_inputs", "example_input"),
    *("sample_inputs", "sample_input"),
)
"""Attributes of a model that hold inputs for it."""

SAME_SHAPE = ("cuda", "to", "float", "requires_grad_", "Variable", "cpu", "double", "half")
SAME_MODEL = ("cuda", "to", "eval", "train", "float", "half", "cpu")
"""Methods that return a tensor of the same shape, or the model itself."""

MODEL_WRAPPERS = ("DataParallel", "DistributedDataParallel", "DDP", "compile", "script")
"""Calls that return the model that they take, wrapped."""

SUMMARY_TOOLS = ("summary", "torchsummary", "get_model_complexity_info")
SUMMARY_SHAPES = ("input_size", "input_res")
"""Tools that take a model and the shape of its input, and their keyword for it."""

TRACING_TOOLS = (
    *("export", "trace", "profile", "flops", "FlopCountAnalysis"),
    *("add_graph", "draw_graph"),
)
TRACING_INPUTS = ("inputs", "args", "input_data")
"""Tools that take a model and its inputs, and their keywords for them."""


def word(name: str) -> str:
    """A word for a parameter that takes one; empty if the name says nothing."""
    return next((found for found, pattern in _WORDS if pattern.fullmatch(name)), "")


def in_lower_case(name: str) -> str:
    """A name as the patterns have it: ``num_classes`` of ``numClasses`` and ``NUM_CLASSES``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower().strip("_")


def number(name: str, profile: Profile) -> Any:
    """A number, a flag or a tuple for a parameter; None if the name says nothing."""
    value = next((value for pattern, value in _NUMBERS if pattern.fullmatch(name)), None)
    if isinstance(value, Either):
        return value.several if profile.lists else value.one
    roles = {"in": profile.channels_in, "out": profile.channels_out, "width": WIDTH}
    return roles[value] if isinstance(value, str) else value


def layer_type(name: str) -> type[nn.Module] | None:
    """The class of layers that a parameter such as ``norm_layer`` takes."""
    return next((cls for pattern, cls in _LAYER_TYPES if re.fullmatch(pattern, name)), None)
