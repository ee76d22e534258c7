import json

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.network import to_input  # noqa: E402
from models.teacher import FACE_WEIGHTS, FaceNet, adopt_statistics, load_face_weights  # noqa: E402
from models.teacher_mobile import MOBILE_WEIGHTS, MobileFaceNet, MobileUnit, load_mobile_weights, mobile_weights  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402


def test_the_teachers_features_are_those_of_dlib(portrait, public):
    """With dlib's own last layer they give dlib's descriptor of the same chip."""
    dlib = pytest.importorskip("dlib")
    path = public(FACE_WEIGHTS)
    picture = np.ascontiguousarray(portrait("obama")[60:210, 60:210].mean(2, keepdims=True).repeat(3, 2).astype(np.uint8))
    truth = np.array(dlib.face_recognition_model_v1(str(path)).compute_face_descriptor(picture))
    net = FaceNet(side=150)
    load_face_weights(net, path)
    net.eval()
    data = path.read_bytes()
    last = np.frombuffer(data, "<f4", 256 * 128, data.rindex(b"fc_2") + 20).reshape(256, 128)
    with torch.no_grad():
        # The picture has 150 pixels and so has the network: enlarging changes nothing.
        features = net.embed(to_input(picture[None, :, :, 0]))[0, 256:].numpy()
    assert np.abs(features @ last - truth).max() < 1e-4


def test_new_statistics_change_nothing_on_the_chips_they_come_from(public):
    net = FaceNet()
    load_face_weights(net, public(FACE_WEIGHTS))
    chips = torch.rand(8, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        before = net.eval().embed(chips)
        adopt_statistics(net, chips)
        assert torch.allclose(net.eval().embed(chips), before, atol=1e-4)
        # In training mode the same statistics are taken from the batch itself.
        assert torch.allclose(net.train().embed(chips), before, atol=1e-3)


def write_graph(net: "MobileFaceNet", stem) -> None:
    """Writes the convolutions of `net` as a TensorFlow.js graph with their normalisations as factors and offsets; other factors are 1."""
    nodes, entries, data = [], [], b""

    def constant(name: str, values: "torch.Tensor") -> str:
        nonlocal data
        entries.append({"name": name, "shape": list(values.shape), "dtype": "float32", "quantization": {"dtype": "float16"}})
        data += values.detach().numpy().astype("<f2").tobytes()
        return name

    for i, unit in enumerate(module for module in net.modules() if isinstance(module, MobileUnit)):
        deep = unit.conv.groups > 1
        weight = unit.conv.weight.permute(2, 3, 0, 1) if deep else unit.conv.weight.permute(2, 3, 1, 0)
        nodes.append({"op": "DepthwiseConv2dNative" if deep else "Conv2D", "name": f"c{i}", "input": ["x", constant(f"w{i}", weight)]})
        if deep:
            nodes.append({"op": "Mul", "name": f"m{i}", "input": [f"c{i}", constant(f"f{i}", unit.norm.weight)]})
        nodes.append({"op": "Add", "name": f"a{i}", "input": [f"{'m' if deep else 'c'}{i}", constant(f"o{i}", unit.norm.bias)]})
    stem.parent.mkdir(parents=True)
    stem.with_suffix(".json").write_text(json.dumps({"modelTopology": {"node": nodes}, "weightsManifest": [{"weights": entries}]}))
    stem.with_suffix(".bin").write_bytes(data)


def test_the_mobile_teacher_takes_its_weights_from_the_graph(tmp_path):
    torch.manual_seed(0)
    published, copy = MobileFaceNet(side=64), MobileFaceNet(side=64)
    with torch.no_grad():
        for module in published.modules():
            if isinstance(module, MobileUnit):
                module.norm.bias.uniform_(-0.5, 0.5)
                if module.conv.groups > 1:
                    module.norm.weight.uniform_(0.5, 1.5)
    with pytest.raises(Trouble, match=r"faceres-deep\.json and \.bin are not there: run `npm pack"):
        mobile_weights(tmp_path)
    write_graph(published, tmp_path / "models" / MOBILE_WEIGHTS)
    load_mobile_weights(copy, mobile_weights(tmp_path))
    chips = torch.rand(4, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        expected = published.eval().embed(chips)
        assert (copy.eval().embed(chips) - expected).abs().max() < 0.02 * expected.abs().max()
        assert (MobileFaceNet(side=64).eval().embed(chips) - expected).abs().max() > 0.2 * expected.abs().max()
        adopt_statistics(copy, chips)
        assert torch.allclose(copy.eval().embed(chips), expected, atol=0.02 * float(expected.abs().max()))


def test_the_first_blocks_of_the_mobile_teacher_stay_as_they_are():
    net = MobileFaceNet(side=64).train()
    before = [value.clone() for value in net.kept.state_dict().values()]
    logits, _, _ = net.training_logits(torch.rand(4, 1, 64, 64))
    logits.sum().backward()
    assert all(parameter.grad is None for parameter in net.kept.parameters())
    assert all(parameter.grad is not None for parameter in net.middle.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, net.kept.state_dict().values(), strict=True))
