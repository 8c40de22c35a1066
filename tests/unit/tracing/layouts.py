"""Small models whose inputs are told by what their forwards do, each with the shapes it takes."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Shapes = tuple[tuple[int, ...], ...]


class Transposing(nn.Module):
    """Features on the last axis, for a convolution over time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(40, 64, 3)
        self.norm = nn.BatchNorm1d(64)

    def forward(self, frames: Tensor) -> Tensor:
        return self.norm(self.conv(frames.transpose(1, 2)))


class InHelper(Transposing):
    """The same in a method, by another function."""

    def forward(self, frames: Tensor) -> Tensor:
        return self.norm(self.conv(self.swap(frames)))

    def swap(self, values: Tensor) -> Tensor:
        return torch.permute(values.float(), (0, 2, 1))


class InPart(nn.Module):
    """The same in a part of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = Transposing()

    def forward(self, frames: Tensor) -> Tensor:
        return self.encoder(frames).mean(-1)


class ChannelsLast(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(5, 8, 3)

    def forward(self, image: Tensor) -> Tensor:
        return self.conv(image.permute(0, 3, 1, 2))


class Unsqueezing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)

    def forward(self, mel: Tensor) -> Tensor:
        return self.conv(mel.unsqueeze(1))


class Decided(nn.Module):
    """Branches on the rank, which every input has."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(1, 8, 3)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, wave: Tensor) -> Tensor:
        if wave.dim() == 2:
            wave = wave.unsqueeze(1)
        if len(wave.shape) != 3:
            raise ValueError("a batch of waves")
        return self.norm(self.conv(wave))


class Points(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(3, 64)
        self.norm = nn.BatchNorm1d(64)

    def forward(self, points: Tensor) -> Tensor:
        b, n, _ = points.shape
        return self.norm(self.fc(points.reshape(b * n, 3))).view(b, n, 64).max(1)[0]


class Video(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.rnn = nn.GRU(8, 16, batch_first=True)

    def forward(self, clip: Tensor) -> Tensor:
        b, t, c, h, w = clip.size()
        frames = self.conv(clip.view(b * t, c, h, w)).mean((2, 3))
        return self.rnn(frames.view(b, t, -1))[0]


class Digits(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(784, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(x.view(-1, 784))


class DigitsAsImages(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.view(-1, 1, 28, 28))


class Spectrum(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)

    def forward(self, wave: Tensor) -> Tensor:
        window = torch.hann_window(512, device=wave.device)
        spectrum = torch.stft(wave, 512, 160, window=window, return_complex=True)
        return self.conv(spectrum.abs().unsqueeze(1))


class OddSize(nn.Module):
    """Only one size of image gives so many features."""

    def __init__(self, features: int = 16 * 14 * 14) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(3, 8, 5, 2), nn.ReLU(), nn.MaxPool2d(3, 2), nn.Conv2d(8, 16, 3)
        )
        self.fc = nn.Linear(features, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(torch.flatten(self.body(x), 1))


class Upright(OddSize):
    """An image that is not square."""

    def __init__(self) -> None:
        super().__init__(16 * 30 * 13)


class Positions(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 32, 16, 16)
        self.first = nn.Parameter(torch.zeros(1, 1, 32))
        self.position = nn.Parameter(torch.zeros(1, 65, 32))

    def forward(self, x: Tensor) -> Tensor:
        tokens = self.patch(x).flatten(2).transpose(1, 2)
        return torch.cat([self.first.expand(len(x), -1, -1), tokens], 1) + self.position


class Joined(nn.Module):
    """A picture and its mask."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(4, 8, 3)

    def forward(self, picture: Tensor, mask: Tensor) -> Tensor:
        return self.conv(torch.cat([picture, mask], dim=1))


class Conditional(nn.Module):
    """Noise and the embedding of a label."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(10, 20)
        self.fc = nn.Linear(120, 64)
        self.norm = nn.BatchNorm1d(64)

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        return self.norm(self.fc(torch.cat([noise, self.embedding(label)], 1)))


class OneHot(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Linear(110, 64)

    def forward(self, noise: Tensor, label: Tensor) -> Tensor:
        return self.fc(torch.cat([noise, F.one_hot(label, 10).float()], 1))


class WithCoordinates(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3 + 2, 8, 3)

    def forward(self, x: Tensor) -> Tensor:
        b, _, h, w = x.shape
        rows = torch.linspace(-1, 1, h, device=x.device).view(1, 1, h, 1).expand(b, 1, h, w)
        return self.conv(torch.cat([x, rows, rows], 1))


class Pyramid(nn.Module):
    """Feature maps, each half the size of the one before."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Conv2d(64, 32, 1)
        self.coarse = nn.Conv2d(128, 32, 1)

    def forward(self, features: list[Tensor]) -> Tensor:
        fine, coarse = features
        return self.fine(fine) + F.interpolate(self.coarse(coarse), scale_factor=2)


class PairedPyramid(nn.Module):
    """Two views of each level, of which the coarse ones meet before they join the fine ones."""

    def __init__(self) -> None:
        super().__init__()
        self.coarse = nn.Conv2d(32, 16, 1)
        self.fine = nn.Conv2d(16 + 16 + 16, 8, 1)
        self.side = nn.Conv2d(16, 16, 1)

    def forward(self, top: Tensor, top_low: Tensor, side: Tensor, side_low: Tensor) -> Tensor:
        low = F.interpolate(self.coarse(top_low) * self.coarse(side_low), scale_factor=2)
        side = self.side(side)
        return self.fine(torch.cat([low, self.side(top) * side, side], 1))


class Stamped(nn.Module):
    """Rows of features and of their times, as many of both; the channels come last."""

    def __init__(self) -> None:
        super().__init__()
        self.value = nn.Conv1d(7, 16, 3, padding=1)
        self.hour, self.day = nn.Embedding(24, 16), nn.Embedding(32, 16)

    def forward(self, x: Tensor, times: Tensor) -> Tensor:
        times = times.long()
        stamps = self.hour(times[:, :, 1]) + self.day(times[:, :, 0])
        return self.value(x.permute(0, 2, 1)).transpose(1, 2) + stamps


class Uneven(nn.Module):
    """Maps of two inputs that are joined, one of them half as high and a quarter as wide."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Conv3d(16, 8, 3, (1, 2, 4), 1)
        self.side = nn.Conv3d(16, 8, 1)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return torch.cat([self.down(x), self.side(y)], 1)


class Fading(nn.Module):
    """A number that fades one map into another one."""

    def __init__(self) -> None:
        super().__init__()
        self.old, self.new = nn.Conv2d(16, 8, 1), nn.Conv2d(16, 8, 3, 1, 1)
        self.last = nn.Conv2d(8, 4, 1)

    def forward(self, x: Tensor, alpha: Tensor) -> Tensor:
        return self.last(alpha * self.new(x) + (1 - alpha) * self.old(x))


class Points3d(nn.Module):
    """Points of any number of axes become rows and get their axes back."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(9, 16), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        rows = x.reshape(-1, 3)
        rows = torch.cat([rows, rows.sin(), rows.cos()], -1)
        return self.two(self.one(rows)).squeeze(-1).reshape(*x.shape[:-1])


class Windows(nn.Module):
    """A size that windows divide, which the error says as einops does."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 4, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        if x.shape[2] % 6:
            raise RuntimeError(f"can't divide axis of length {x.shape[2]} in chunks of 6")
        return x


class Folded(nn.Module):
    """Patches become channels before the first layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(48, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        b, c, h, w = x.shape
        x = x.view(b, c, h // 4, 4, w // 4, 4).permute(0, 3, 5, 1, 2, 4)
        return self.conv(x.reshape(b, 16 * c, h // 4, w // 4))


class Reshaped(nn.Module):
    """A view that makes one sample of each image only if the image has so many values."""

    def __init__(self) -> None:
        super().__init__()
        self.image = nn.Sequential(nn.Conv2d(3, 8, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.row = nn.Linear(12, 8)

    def forward(self, image: Tensor, row: Tensor) -> Tensor:
        return self.image(image.reshape(-1, 3, 16, 16)) * self.row(row)


class OverTime(nn.Module):
    """A linear layer reads the steps that a recurrent one was given, after a transpose."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = nn.GRU(39, 8, batch_first=True)
        self.norm = nn.BatchNorm1d(8)
        self.over_time = nn.Linear(173, 1)

    def forward(self, x: Tensor) -> Tensor:
        steps, _ = self.steps(x)
        return self.over_time(self.norm(steps.transpose(1, 2))).squeeze(-1)


class Patches(nn.Module):
    """A layer that says itself which size it is built for."""

    def __init__(self) -> None:
        super().__init__()
        self.size = (48, 40)
        self.conv = nn.Conv2d(3, 8, 8, 8)

    def forward(self, x: Tensor) -> Tensor:
        _, _, height, width = x.shape
        torch._assert(height == self.size[0], "another height is expected")
        torch._assert(width == self.size[1], "another width is expected")
        return self.conv(x)


class FramesOfPatches(nn.Module):
    """Frames of a video become samples for such a layer."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = Patches()

    def forward(self, video: Tensor) -> Tensor:
        b, t, c, h, w = video.shape
        return self.patches(video.reshape(b * t, c, h, w)).reshape(b, t, -1)


class Attended(nn.Module):
    """Two inputs that are joined, and one of them again with what was made of both."""

    def __init__(self) -> None:
        super().__init__()
        self.energy = nn.Linear(24, 1)
        self.out = nn.Linear(16, 4)

    def forward(self, state: Tensor, memory: Tensor) -> Tensor:
        weights = self.energy(torch.cat((state, memory), 1)).softmax(0)
        return self.out(weights * memory)


class OneHotActions(nn.Module):
    """A number for each sample, written into zeros that are joined with maps of their size."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(16 + 2, 8, 3, padding=1)

    def forward(self, maps: Tensor, action: Tensor) -> Tensor:
        planes = torch.zeros(action.shape[0], 2 * 6 * 6, device=maps.device)
        planes.scatter_(1, action.long().view(action.shape[0], 1), 1.0)
        return self.conv(torch.cat([maps, planes.view(-1, 2, 6, 6)], 1))


class FixedBatch(nn.Module):
    """A view that makes steps of 32 samples, as many as the model was built for."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(100, 50)
        self.steps = nn.LSTM(50, 8)

    def forward(self, sentence: Tensor) -> Tensor:
        return self.steps(self.words(sentence).view(len(sentence), 32, -1))[0]


class MapsOfLevels(nn.Module):
    """As many maps as there are convolutions."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = [8, 16, 24]
        self.convs = nn.ModuleList(nn.Conv2d(c, 4, 1) for c in self.channels)

    def forward(self, maps: list[Tensor]) -> Tensor:
        assert len(maps) == len(self.channels)
        sums = [conv(maps[i]) for i, conv in enumerate(self.convs)]
        for i in range(len(sums) - 1, 0, -1):
            sums[i - 1] = sums[i - 1] + F.interpolate(sums[i], size=sums[i - 1].shape[2:])
        return sums[0]


class Waves(nn.Module):
    """Complex numbers, whose parts become channels."""

    def __init__(self) -> None:
        super().__init__()
        self.parts = nn.Conv2d(2, 8, 3)
        self.image = nn.Conv2d(1, 8, 3)

    def forward(self, waves: Tensor) -> Tensor:
        parts = torch.cat([waves.real, waves.imag], 1)
        return self.parts(parts) + self.image(torch.fft.ifft2(waves).abs())


class Rays(nn.Module):
    """Two parts of a row, which say how long it is."""

    def __init__(self) -> None:
        super().__init__()
        self.points = nn.Linear(63, 16)
        self.views = nn.Linear(16 + 27, 3)

    def forward(self, x: Tensor) -> Tensor:
        points, views = torch.split(x, [63, 27], dim=-1)
        return self.views(torch.cat([self.points(points), views], -1))


class Electrodes(nn.Module):
    """As high as a kernel, and only so long."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Conv2d(1, 8, (1, 16), padding=(0, 8))
        self.space = nn.Conv2d(8, 16, (22, 1), groups=8)
        self.pool = nn.AvgPool2d((1, 4))
        self.fc = nn.Linear(16 * 31, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.pool(self.space(self.time(x))).flatten(1))


class Limited(nn.Module):
    """It refuses long sequences itself."""

    def __init__(self) -> None:
        super().__init__()
        self.longest = 8
        self.words = nn.Embedding(50, 16)

    def forward(self, words: Tensor) -> Tensor:
        _, t = words.size()
        if t > self.longest:
            raise ValueError(f"at most {self.longest} words")
        return self.words(words)


class Frames(nn.Module):
    """It refuses clips of any other length, by a computed number among other conditions."""

    def __init__(self) -> None:
        super().__init__()
        self.length = 10
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, clip: Tensor) -> Tensor:
        if clip.ndim != 5 or clip.shape[1] != self.length - 1:
            raise ValueError(f"clips must have {self.length - 1} frames")
        return self.conv(clip.flatten(0, 1))


class Validated(nn.Module):
    """A method of its own compares the sizes of its inputs with one another."""

    def __init__(self) -> None:
        super().__init__()
        self.channels = 1
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, noisy: Tensor, known: Tensor, mask: Tensor) -> Tensor:
        self.validate(noisy, known, mask)
        return self.conv(torch.cat([noisy, known, mask], dim=1))

    def validate(self, noisy: Tensor, known: Tensor, mask: Tensor) -> None:
        b, c, h, w = noisy.shape
        if c != self.channels:
            raise ValueError(f"{c} channels")
        if known.shape != noisy.shape:
            raise ValueError(f"{known.shape} must match {noisy.shape}")
        if mask.shape != (b, 1, h, w):
            raise ValueError(f"{mask.shape} must have one channel")


class Matched(nn.Module):
    """Two clouds of points, each of which gets a label on its last axis, are joined."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv1d(4, 16, 1)

    def forward(self, clouds: tuple[Tensor, Tensor]) -> Tensor:
        source = F.pad(clouds[0], (0, 1))
        target = F.pad(clouds[1], (0, 1), value=1.0)
        return self.conv(torch.cat([source, target], dim=1).permute(0, 2, 1))


class OfOneSize(nn.Module):
    """It asserts all sizes of an image at once."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, image: Tensor) -> Tensor:
        assert tuple(image.shape[1:]) == (3, 48, 96)
        return self.conv(image)


class InPlace(nn.Module):
    """Its forward changes the tensor that it gets."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, mel: Tensor) -> Tensor:
        mel.unsqueeze_(1)
        return self.norm(self.conv(mel))


class FirstNorm(nn.Module):
    """A norm is the first layer that reads its input, and on another axis than the last."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(64)
        self.conv = nn.Conv2d(1, 8, 3)

    def forward(self, mel: Tensor) -> Tensor:
        return self.conv(self.norm(mel.transpose(1, 3)).transpose(1, 3))


class Taps(nn.Module):
    """A feature map of its own width for each layer of a list."""

    def __init__(self) -> None:
        super().__init__()
        self.taps = nn.ModuleList([nn.Conv2d(c, 8, 1) for c in (16, 32, 64)])

    def forward(self, features: list[Tensor]) -> list[Tensor]:
        return [tap(f) for tap, f in zip(self.taps, features, strict=True)]


def check_shape(tensor: Tensor, wanted: list[int | None]) -> None:
    """Raises an error for another shape; None is any size."""
    if tensor.ndim != len(wanted):
        raise AssertionError(f"{tensor.ndim} dimensions, expected {len(wanted)}")
    for size, expected in zip(tensor.shape, wanted, strict=True):
        if expected is not None and size != expected:
            raise AssertionError(f"size {size}, expected {expected}")


class Checked(nn.Module):
    """A helper checks the shapes, for a part that is chosen by name."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 1)
        self.last = nn.Conv2d(8, 8, 3)

    def forward(self, maps: Tensor) -> Tensor:
        check_shape(maps, [None, 1, 48, 48])
        for name in ("first", "last"):
            maps = getattr(self, name)(maps)
        return maps


class OfRank(nn.Module):
    """The rank is a setting of the model, and compared with one of several."""

    def __init__(self) -> None:
        super().__init__()
        self.rank = 3
        self.proj = nn.Linear(12, 12)

    def forward(self, states: Tensor) -> Tensor:
        if states.dim() not in (self.rank, 4):
            raise ValueError("states must be sequences")
        return self.proj(states)


class OneByOne(nn.Module):
    """Takes one sample at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)

    def forward(self, image: Tensor) -> Tensor:
        count = image.size(0)
        assert count == 1, "no batches so far"
        return self.conv(image)


class Emphasis(nn.Module):
    """A filter without weights over a signal that gets its channel in the forward."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("taps", torch.tensor([[[-0.97, 1.0]]]))

    def forward(self, wave: Tensor) -> Tensor:
        return F.conv1d(F.pad(wave.unsqueeze(1), (1, 0), "reflect"), self.taps)


class Blur(nn.Module):
    """A fixed filter for each of the channels."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.width = width
        self.register_buffer("filter", torch.ones(width, 1, 3, 3) / 9)

    def forward(self, maps: Tensor) -> Tensor:
        padded = F.pad(maps, (1, 1, 1, 1), "reflect")
        return F.conv2d(padded, self.filter, stride=2, groups=self.width)


class Scaled(nn.Module):
    """Learned scales, and no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(48))

    def forward(self, maps: Tensor) -> Tensor:
        return F.normalize(maps) * self.scale[None, :, None, None].expand_as(maps)


class OfOneBatch(nn.Module):
    """Its rows are distinguished by a number of samples that it was built with."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 16)
        self.fc = nn.Linear(16 * 16, 4)

    def forward(self, words: Tensor) -> Tensor:
        return self.fc(self.words(words).view(24, -1))


class Remembering(nn.Module):
    """States of its own for so many samples, which come after the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.LSTM(12, 8)
        self.states = torch.zeros(1, 20, 8), torch.zeros(1, 20, 8)

    def forward(self, steps: Tensor) -> Tensor:
        return self.rnn(steps, self.states)[0]


class RememberingRows(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn = nn.GRU(12, 8, batch_first=True)

    def forward(self, steps: Tensor) -> Tensor:
        return self.rnn(steps, torch.zeros(1, 20, 8))[0]


class OneToken(nn.Module):
    """It reads one token after the other, so that there is no batch."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.rnn = nn.Embedding(50, 16), nn.GRU(16, 16)

    def forward(self, token: Tensor, state: Tensor) -> Tensor:
        return self.rnn(self.words(token).view(1, 1, -1), state)[0]


class Conditioned(nn.Module):
    """An image, and a row of labels that is repeated over it."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3 + 5, 8, 3)

    def forward(self, image: Tensor, labels: Tensor) -> Tensor:
        maps = labels.view(labels.size(0), labels.size(1), 1, 1)
        maps = maps.repeat(1, 1, image.size(2), image.size(3))
        return self.conv(torch.cat([image, maps], 1))


class Directions(nn.Module):
    """Vectors that are taken apart, and no layer."""

    def forward(self, vectors: Tensor) -> Tensor:
        x, y, z = vectors.unbind(-1)
        if len(x) > 9:
            return x * y
        return torch.stack([x * y, y * z, 3 * z * z - 1], -1)


class Crossed(nn.Module):
    """What attention between two sequences weighs is flattened: two lengths it is built for."""

    def __init__(self, regions: int = 49, words: int = 22) -> None:
        super().__init__()
        self.see, self.words = nn.Linear(32, 8), nn.Embedding(90, 8)
        self.fc = nn.Linear(regions * words, 4)

    def forward(self, image: Tensor, text: Tensor) -> Tensor:
        weights = self.see(image) @ self.words(text).transpose(1, 2)
        return self.fc(weights.flatten(1))


class Options:
    """Settings in capitals, as scripts write them."""

    def __init__(self) -> None:
        self.SENT_LEN, self.VOCAB = 30, 50


class Sentences(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.opt = Options()
        self.words = nn.Embedding(self.opt.VOCAB, 4)

    def forward(self, text: Tensor) -> Tensor:
        return self.words(text).mean(1)


class OneOrTwo(nn.Module):
    """Two gray images that are joined, or one: a proxy is no list."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3)
        self.norm = nn.BatchNorm2d(8)

    def forward(self, x: Tensor | list[Tensor]) -> Tensor | tuple[Tensor, ...]:
        both = isinstance(x, (tuple, list))
        if both:
            count = x[0].shape[0]
            x = torch.cat(x, dim=0)
        x = self.norm(self.conv(x))
        return torch.split(x, [count, count]) if both else x


class Unbound(nn.Module):
    """Each frame of a video is taken apart from the others."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        frames = torch.unbind(x, dim=1)
        return torch.stack([self.conv(frame) for frame in frames])


class Countable(nn.Module):
    """Frames are counted along the second axis."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 8, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        maps = []
        for i in range(x.size(1)):
            maps.append(self.conv(x[:, i]))
        return torch.stack(maps)


class Adjacent(nn.Module):
    """A mask over pairs of steps is expanded over the heads."""

    def __init__(self) -> None:
        super().__init__()
        self.query = nn.Linear(12, 16)

    def forward(self, x: Tensor, adjacency: Tensor) -> Tensor:
        b, n, _ = x.shape
        query = self.query(x).view(b, n, 4, 4).transpose(1, 2)
        scores = query @ query.transpose(-2, -1)
        return scores * adjacency.unsqueeze(1).expand_as(scores) / adjacency.shape[2]


class Powers(nn.Module):
    """The channels are seven times those of the input, for an image, and for a stamp of time."""

    def __init__(self) -> None:
        super().__init__()
        self.time = nn.Embedding(10, 7)
        self.conv = nn.Conv2d(7, 8, 3, padding=1)

    def forward(self, x: Tensor, t: Tensor) -> Tensor:
        x = torch.cat([x * 2**i for i in range(7)], dim=1)
        x = x + self.time(t).reshape(x.shape[0], -1, 1, 1)
        return self.conv(x)


class Standardized(nn.Module):
    """It refuses other channels than those of a tensor that it keeps."""

    def __init__(self) -> None:
        super().__init__()
        self.means = torch.zeros(5)
        self.scale = nn.Linear(8, 8)

    def forward(self, x: Tensor) -> Tensor:
        if x.size(1) != self.means.size(0):
            raise ValueError("channels")
        return self.scale(x)


class Counting(nn.Module):
    """A loss inside of forward has a target of the size of the map, without channels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 1, 3, stride=4, padding=1)
        self.loss = nn.MSELoss()

    def forward(self, image: Tensor, gt_map: Tensor) -> Tensor:
        density = self.conv(image)
        self.total = self.loss(density, torch.unsqueeze(gt_map, 1))
        return density


class Rows(nn.Module):
    """A view with a fixed number of samples takes them from the features of fewer."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(50, 8)
        self.head = nn.Linear(8 * 6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.words(x).transpose(1, 2).topk(6)[0].view(24, -1))


class OneSample(nn.Module):
    """A square is put together for one sample, as it was trained."""

    def __init__(self, nChannels: int = 12) -> None:
        super().__init__()
        self.features = nn.Linear(nChannels, 16)
        self.last = nn.Linear(16, 4)

    def forward(self, x: Tensor) -> Tensor:
        if x.dim() != 4:
            raise ValueError("images are expected")
        x = self.features(x.moveaxis(1, -1).reshape(-1, x.shape[1]))
        side = int(x.shape[0] ** 0.5)
        return self.last(x.reshape((1, side, side, -1)))


class Labelled(nn.Module):
    """Noise, and the embedding of one label for each sample."""

    def __init__(self) -> None:
        super().__init__()
        self.label = nn.Embedding(10, 5)
        self.up = nn.ConvTranspose2d(15, 8, 4)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        x = x.reshape([x.shape[0], -1, 1, 1])
        y = self.label(y).reshape([x.shape[0], -1, 1, 1])
        return self.up(torch.cat((x, y), dim=1))


class NormedMaps(nn.Module):
    """A layer norm of whole maps says how large they are."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv3d(1, 4, 3, stride=2, padding=1)
        self.norm = nn.LayerNorm([4, 12, 20, 20])

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x))


TAKEN: dict[type[nn.Module], Shapes] = {
    OneOrTwo: ((2, 1, 64, 64), (2, 1, 64, 64)),
    OfOneBatch: ((24, 16),),
    Remembering: ((2, 20, 12),),
    RememberingRows: ((20, 16, 12),),
    OneToken: ((1, 1), (1, 1, 16)),
    Conditioned: ((2, 3, 32, 32), (2, 5)),
    Directions: ((2, 64, 64, 3),),
    Crossed: ((2, 49, 32), (2, 22)),
    Sentences: ((2, 30),),
    Emphasis: ((2, 64),),
    Blur: ((2, 24, 64, 64),),
    Scaled: ((2, 48, 64, 64),),
    Transposing: ((2, 128, 40),),
    InHelper: ((2, 128, 40),),
    InPart: ((2, 128, 40),),
    ChannelsLast: ((2, 32, 32, 5),),
    Unsqueezing: ((2, 28, 28),),
    Decided: ((2, 1, 128),),
    Points: ((2, 16, 3),),
    Video: ((2, 4, 3, 64, 64),),
    Digits: ((2, 784),),
    DigitsAsImages: ((2, 1, 28, 28),),
    Spectrum: ((2, 1792),),
    OddSize: ((2, 3, 72, 72),),
    Upright: ((2, 3, 136, 68),),
    Positions: ((2, 3, 128, 128),),
    Joined: ((2, 3, 84, 84), (2, 1, 84, 84)),
    Conditional: ((2, 100), (2,)),
    OneHot: ((2, 100), (2,)),
    WithCoordinates: ((2, 3, 32, 32),),
    Attended: ((2, 8), (2, 16)),
    OneHotActions: ((2, 16, 6, 6), (2,)),
    FixedBatch: ((2, 32),),
    MapsOfLevels: ((2, 8, 64, 64), (2, 16, 64, 64), (2, 24, 64, 64)),
    Waves: ((2, 1, 224, 224),),
    FramesOfPatches: ((2, 4, 3, 48, 40),),
    Reshaped: ((2, 3, 16, 16), (2, 12)),
    OverTime: ((2, 173, 39),),
    Rays: ((2, 90),),
    Electrodes: ((2, 1, 22, 124),),
    Limited: ((2, 8),),
    Frames: ((2, 9, 3, 64, 64),),
    Validated: ((2, 1, 224, 224), (2, 1, 224, 224), (2, 1, 224, 224)),
    Matched: ((2, 4, 3), (2, 4, 3)),
    OfOneSize: ((2, 3, 48, 96),),
    InPlace: ((2, 28, 28),),
    FirstNorm: ((2, 1, 28, 64),),
    Taps: ((2, 16, 32, 32), (2, 32, 32, 32), (2, 64, 32, 32)),
    Checked: ((2, 1, 48, 48),),
    OfRank: ((2, 16, 12),),
    Pyramid: ((2, 64, 32, 32), (2, 128, 16, 16)),
    Stamped: ((2, 128, 7), (2, 128, 64)),
    Fading: ((2, 16, 32, 32),),
    Points3d: ((2, 16, 3),),
    Uneven: ((2, 16, 16, 112, 112), (2, 16, 16, 56, 28)),
    Windows: ((2, 3, 672, 672),),
    Folded: ((2, 3, 32, 32),),
    OneByOne: ((1, 3, 224, 224),),
    NormedMaps: ((2, 1, 24, 40, 40),),
    Rows: ((24, 16),),
    OneSample: ((1, 12, 2, 2),),
    Labelled: ((2, 10, 1, 1), (2,)),
    Unbound: ((2, 4, 3, 224, 224),),
    Countable: ((2, 4, 1, 28, 28),),
    Adjacent: ((2, 16, 12), (2, 16, 16)),
    Powers: ((2, 1, 32, 32), (2,)),
    Standardized: ((2, 5, 8),),
    Counting: ((2, 3, 224, 224), (2, 56, 56)),
    PairedPyramid: ((2, 16, 32, 32), (2, 32, 16, 16), (2, 16, 32, 32), (2, 32, 16, 16)),
}
"""What bnlint feeds to each of them."""
