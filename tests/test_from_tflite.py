import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import build  # noqa: E402
from models.from_tflite import fill, fit_head, layers  # noqa: E402
from models.network import to_input  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402
from realtime.config import SHIPPED  # noqa: E402
from realtime.expression.classifier import EmotionClassifier  # noqa: E402


@pytest.mark.parametrize("name", ["emotion", "nano"])
def test_a_recovered_network_answers_as_the_file_does(name, gray):
    import cv2

    net = build(name)
    fill(net, SHIPPED[name].read_bytes())
    face = cv2.resize(gray("obama")[60:260, 100:300], (64, 64), interpolation=cv2.INTER_AREA)
    chips = np.stack([face, face[:, ::-1], face // 2, np.roll(face, 5, 1)])
    with torch.no_grad():
        ours = net.eval()(to_input(chips))[0].numpy()
    theirs = EmotionClassifier(SHIPPED[name]).logits(chips)[0]
    assert np.abs(ours - theirs).mean() < 0.1 * theirs.std()


def test_biases_are_numbers_of_the_order_of_activations():
    """Their scale is that of the weights times that of the input; without it they would be in the millions."""
    assert all(float(bias.abs().max()) < 20 for _, bias in layers(SHIPPED["emotion"].read_bytes()))


def test_another_network_is_refused():
    with pytest.raises(Trouble, match=r"has other layers than this network \(0 of 17 fit\): choose another --net"):
        fill(build("wide"), SHIPPED["emotion"].read_bytes())


def test_the_head_separates_what_can_be_separated():
    torch.manual_seed(0)
    labels = torch.arange(300) % 3
    embeddings = torch.randn(300, 5) + 4 * torch.nn.functional.one_hot(labels, 5)
    weight, bias = fit_head(embeddings, labels, 3)
    assert float(((embeddings @ weight.T + bias).argmax(1) == labels).float().mean()) > 0.98
