"""Changes training crops as a camera would (place, light, sharpness), and makes pictures without a readable face out of them."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from realtime.values import CHIP


def warp(crops: Tensor, matrix: Tensor) -> Tensor:
    """Samples (n, 1, 48, 48) crops into (n, 1, 64, 64) chips; `matrix` (n, 2, 3) maps chip to crop in [-1, 1] coordinates.

    With the identity this is `realtime.faces.align.enlarge`.
    """
    grid = F.affine_grid(matrix, [len(crops), 1, CHIP, CHIP], align_corners=False)
    return F.grid_sample(crops, grid, mode="bilinear", padding_mode="border", align_corners=False)


def placement(turn: Tensor, scale: Tensor, stretch: Tensor, shift: Tensor, flip: Tensor) -> Tensor:
    """Sampling matrices (n, 2, 3) for `warp`, each of the arguments with one row a crop.

    Args:
        turn: (n,) angles in radians.
        scale: (n,) above 1 shows more of the crop.
        stretch: (n,) above 1 shows more across, but not down.
        shift: (n, 2) in half sides of the crop.
        flip: (n,) 1, or -1 for a mirror image.
    """
    cos, sin = torch.cos(turn) * scale, torch.sin(turn) * scale
    rows = [torch.stack([cos * stretch * flip, -sin, shift[:, 0]], 1), torch.stack([sin * flip, cos, shift[:, 1]], 1)]
    return torch.stack(rows, 1)


def uniform(n: int, low: float, high: float, device: torch.device) -> Tensor:
    """(n,) random numbers from `low` to `high`."""
    return torch.empty(n, device=device).uniform_(low, high)


def sometimes(chips: Tensor, changed: Tensor, share: float) -> Tensor:
    """`changed` in a random share of the batch, `chips` in the others."""
    return torch.where(torch.rand(len(chips), 1, 1, 1, device=chips.device) < share, changed, chips)


def composed(outer: Tensor, inner: Tensor) -> Tensor:
    """(n, 2, 3) matrices that apply `inner` first, then `outer`."""
    product = outer[:, :, :2] @ inner
    return torch.cat([product[:, :, :2], product[:, :, 2:] + outer[:, :, 2:]], 2)


def placed(crops: Tensor, framing: Tensor, negative: Tensor) -> Tensor:
    """Chips cut out of crops as tracking might cut them: framed, then turned, scaled, moved, mirrored, and sharper or softer.

    Args:
        crops: (n, 1, 48, 48) float, 0 to 255.
        framing: (n, 2, 3) how each crop is sampled to frame its face.
        negative: (n,) bool, which are cut so badly that no expression can be read: far off, upside down, or a patch of skin.

    Returns:
        (n, 1, 64, 64) float, 0 to 255.
    """
    n, device = len(crops), crops.device
    turn = torch.randn(n, device=device).clamp(-2.5, 2.5) * math.radians(6)
    scale = uniform(n, 0.88, 1.12, device)
    shift = torch.randn(n, 2, device=device).clamp(-2.5, 2.5) * 0.045
    flip = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    kind = torch.randint(0, 3, (n,), device=device)
    # A direction towards the edge of the frame.
    far = torch.stack([torch.cos(uniform(n, 0, 2 * math.pi, device)), torch.sin(uniform(n, 0, 2 * math.pi, device))], 1)
    turn = torch.where(negative & (kind == 0), uniform(n, math.pi * 0.6, math.pi * 1.4, device), turn)
    scale = torch.where(negative & (kind == 1), uniform(n, 0.15, 0.4, device), scale)
    reach = torch.where(kind == 1, 0.6, 1.0) * uniform(n, 0.8, 1.3, device)
    shift = torch.where((negative & (kind > 0))[:, None], far / far.abs().amax(1, keepdim=True) * reach[:, None], shift)
    chips = warp(crops, composed(framing, placement(turn, scale, uniform(n, 0.94, 1.06, device), shift, flip)))

    # Sharpness: a camera's chip is sharper than an enlarged 48-pixel crop, or much softer.
    soft = F.avg_pool2d(F.pad(chips, (1, 1, 1, 1), mode="replicate"), 3, 1)
    amount = uniform(n, -0.8, 1.0, device)[:, None, None, None]
    chips = sometimes(chips, torch.lerp(chips, soft, amount), 0.5)
    coarse = F.interpolate(F.interpolate(chips, size=(28, 28), mode="area"), size=(CHIP, CHIP), mode="bilinear")
    return sometimes(chips, coarse, 0.08).clamp(0, 255)


def lit(chips: Tensor) -> Tensor:
    """Chips (n, 1, side, side) of [0, 1] in other light (gain, offset, gamma, a lamp from one side) and with a sensor's noise.

    The result may leave [0, 1].
    """
    n, device = len(chips), chips.device
    changed = chips ** torch.exp(torch.randn(n, device=device) * 0.25)[:, None, None, None]
    changed = (
        (changed - 0.5) * uniform(n, 0.6, 1.3, device)[:, None, None, None] + 0.5 + uniform(n, -0.18, 0.18, device)[:, None, None, None]
    )
    axis = torch.linspace(-1, 1, chips.shape[3], device=device)
    lamp = axis[None, :] * uniform(n, -0.4, 0.4, device)[:, None]
    chips = sometimes(sometimes(chips, changed, 0.8), (changed * (1 + lamp[:, None, None, :])), 0.25)
    return sometimes(chips, chips + torch.randn_like(chips) * uniform(n, 0.0, 0.05, device)[:, None, None, None], 0.5)


def patched(chips: Tensor) -> Tensor:
    """Chips (n, 1, 64, 64) in [0, 1], about a third of them partly behind one flat rectangle: a hand, a cup, hair."""
    n, device = len(chips), chips.device
    rows, columns = torch.arange(CHIP, device=device)[None, :, None], torch.arange(CHIP, device=device)[None, None, :]
    height, width = uniform(n, 8, 24, device)[:, None, None], uniform(n, 8, 24, device)[:, None, None]
    top, left = uniform(n, -8, CHIP - 8, device)[:, None, None], uniform(n, -8, CHIP - 8, device)[:, None, None]
    hidden = (rows >= top) & (rows < top + height) & (columns >= left) & (columns < left + width)
    return sometimes(chips, torch.where(hidden[:, None], torch.rand(n, 1, 1, 1, device=device), chips), 0.35)


def smeared(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) so blurred by movement or defocus that no expression is left."""
    n, side = len(chips), chips.shape[-1]
    coarse = F.interpolate(F.interpolate(chips, size=(5, 5), mode="area"), size=(side, side), mode="bilinear")
    long = side // 2 + 1
    rows = F.avg_pool2d(F.pad(chips, (long // 2, long // 2, 0, 0), mode="replicate"), (1, long), 1)
    columns = F.avg_pool2d(F.pad(chips, (0, 0, long // 2, long // 2), mode="replicate"), (long, 1), 1)
    kind = torch.randint(0, 3, (n, 1, 1, 1), device=chips.device)
    return torch.where(kind == 0, coarse, torch.where(kind == 1, rows, columns))


def across_or_down(chips: Tensor, sources: Tensor) -> Tensor:
    """Chips (n, 1, side, side) with the pixels of each line moved: within rows in a random half of the chips, within columns in the others.

    Args:
        sources: (n, side, side) the number of the pixel of the same line that comes to each place.
    """
    across, down = chips.gather(3, sources[:, None]), chips.mT.gather(3, sources[:, None]).mT
    return torch.where(torch.rand(len(chips), 1, 1, 1, device=chips.device) < 0.5, across, down)


def jumbled(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) cut into four bands, across or down, and put together in another order: parts of a face, but no face."""
    n, side = len(chips), chips.shape[-1]
    order = torch.rand(n, 4, device=chips.device).argsort(1)
    # An order that is right by chance is rotated by one.
    same = (order == torch.arange(4, device=chips.device)).all(1, keepdim=True)
    order = torch.where(same, order.roll(1, 1), order)
    pixels = torch.arange(side, device=chips.device)
    sources = (order[:, pixels * 4 // side] - (pixels * 4 // side)) * (side // 4) + pixels
    return across_or_down(chips, sources[:, None, :].expand(-1, side, -1))


def twisted(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) twisted about a point near their middle: by a sixth to half a turn there, by less farther out."""
    n, side, device = len(chips), chips.shape[-1], chips.device
    axis = (torch.arange(side, device=device) * 2 + 1) / side - 1
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    centre = uniform(2 * n, -0.25, 0.25, device).reshape(2, n, 1, 1)
    x, y = x - centre[0], y - centre[1]
    sense = torch.randint(0, 2, (n,), device=device) * 2.0 - 1.0
    turn = (sense * uniform(n, 1 / 3, 1, device) * math.pi)[:, None, None] * torch.exp(-(x**2 + y**2) / 0.5)
    cos, sin = torch.cos(turn), torch.sin(turn)
    grid = torch.stack([cos * x - sin * y + centre[0], sin * x + cos * y + centre[1]], 3)
    return F.grid_sample(chips, grid, mode="bilinear", padding_mode="border", align_corners=False)


def torn(chips: Tensor) -> Tensor:
    """Chips (n, 1, h, w) torn in two, across or down, with one part moved along the tear by a quarter to a half of the side."""
    n, side, device = len(chips), chips.shape[-1], chips.device
    pixels = torch.arange(side, device=device)
    tear = torch.randint(side * 3 // 8, side * 5 // 8 + 1, (n, 1), device=device)
    far = torch.randint(side // 4, side // 2 + 1, (n, 1), device=device) * (torch.randint(0, 2, (n, 1), device=device) * 2 - 1)
    moved = torch.where(pixels < tear, far, 0)
    # [i, line, pixel]: where in its line each pixel comes from. What leaves at one end comes back at the other.
    return across_or_down(chips, (pixels[None, None, :] - moved[:, :, None]) % side)


def crowded(chips: Tensor) -> Tensor:
    """Pictures (n, 1, h, w), each of four random chips (n, 1, h, w) at half their size: several heads, a poster, a screen."""
    n, half = len(chips), chips.shape[-1] // 2
    small = F.interpolate(chips, size=(half, half), mode="area")
    four = [small[torch.randperm(n, device=chips.device)] for _ in range(4)]
    return torch.cat([torch.cat(four[:2], 3), torch.cat(four[2:], 3)], 2)


def covered(chips: Tensor, covers: Tensor) -> Tensor:
    """Chips (n, 1, h, w) of which pictures `covers` of the same shape hide two thirds or more: a hand, a mug, a mask up to the eyes."""
    n, side = len(chips), chips.shape[-1]
    along = torch.arange(side, device=chips.device) / side
    share = torch.empty(n, 1, 1, 1, device=chips.device).uniform_(0.66, 0.9)
    across = torch.randint(0, 2, (n, 1, 1, 1), device=chips.device).bool()
    backwards = torch.randint(0, 2, (n, 1, 1, 1), device=chips.device).bool()
    position = torch.where(across, along[None, None, None, :], along[None, None, :, None])
    return torch.where(torch.where(backwards, 1 - position, position) < share, covers, chips)


def augment(crops: Tensor, framing: Tensor, negative: Tensor) -> Tensor:
    """Network inputs (n, 1, 64, 64) in [-1, 1): the faces of crops as a camera might show them. The arguments are those of `placed`."""
    return patched(lit(placed(crops, framing, negative) / 255)).clamp(0, 1) * (255 / 128) - 1
