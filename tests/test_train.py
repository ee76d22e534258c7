import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from test_datasets import give, row, write_tree

from models.datasets import chip_from_crop, load_fer2013, load_sessions
from models.framing import placement_of, sampling_matrix

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.augment import augment, composed, covered, crowded, jumbled, placement, smeared, torn, twisted, warp  # noqa: E402
from models.course import Recipe, build, fit, load_trained, to_input  # noqa: E402
from models.distill import (  # noqa: E402
    SCHEDULES,
    answers,
    beside,
    compressed,
    contents,
    learn,
    mean,
    mean_answers,
    mixture,
    negative_view,
    repeated,
    view,
)
from models.lesson import Lesson, lesson, versions_of  # noqa: E402
from models.quantize import fit_calibration, log_sum_exp, reject_offset  # noqa: E402
from models.teacher import FACE_WEIGHTS, FaceNet, adopt_statistics, load_face_weights  # noqa: E402
from models.teacher_mobile import MOBILE_WEIGHTS, MobileFaceNet, Unit, load_mobile_weights, mobile_weights  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402
from realtime.config import SHIPPED  # noqa: E402
from realtime.expression.classifier import interpreter_class  # noqa: E402
from realtime.values import LABELS  # noqa: E402


def crops(n: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, 48, 48), np.uint8)


def still(n: int) -> "torch.Tensor":
    return torch.eye(2, 3).expand(n, 2, 3)


def test_training_samples_a_crop_as_running_does(shared):
    """The same framing through torch and through OpenCV gives the same chip."""
    faces = load_fer2013(shared("fer2013/labels.csv").parent, "public_test").pixels[:40]
    ones, none = torch.ones(40), torch.zeros(40)
    framing = torch.from_numpy(np.stack([sampling_matrix(placement_of(face)) for face in faces]))
    matrix = composed(framing, placement(none, ones, ones, torch.zeros(40, 2), ones))
    ours = warp(torch.from_numpy(faces).unsqueeze(1).float(), matrix)[:, 0].numpy()
    theirs = np.stack([chip_from_crop(face) for face in faces]).astype(float)
    assert float((framing - still(40)).abs().max()) > 0.1
    # OpenCV places samples on a grid of 1/32 pixel.
    assert np.abs(ours - theirs).mean() < 0.7


def test_augmented_chips_have_the_networks_range():
    torch.manual_seed(0)
    chips = augment(torch.from_numpy(crops(32)).unsqueeze(1).float(), still(32), torch.arange(32) % 2 == 0)
    assert chips.shape == (32, 1, 64, 64)
    assert float(chips.min()) >= -1
    assert float(chips.max()) < 1


def test_covers_hide_two_thirds_and_leave_a_strip():
    torch.manual_seed(0)
    chips, cloth = torch.zeros(200, 1, 64, 64), torch.ones(200, 1, 64, 64)
    hidden = covered(chips, cloth).mean((1, 2, 3))
    assert float(hidden.min()) > 0.6
    assert float(hidden.max()) < 0.95


def test_smearing_leaves_no_detail():
    torch.manual_seed(0)
    chips = torch.rand(60, 1, 64, 64)
    after = smeared(chips)
    assert after.shape == chips.shape
    assert float(after.std((1, 2, 3)).max()) < 0.5 * float(chips.std((1, 2, 3)).min())


def test_a_byte_becomes_the_networks_number():
    assert to_input(np.array([[[0, 128, 255]]], np.uint8)).flatten().tolist() == [-1.0, 0.0, 127 / 128]


def test_the_networks_outputs_have_the_models_shapes():
    logits, embedding = build("wide").eval()(torch.zeros(2, 1, 64, 64))
    assert logits.shape == (2, 8)
    assert embedding.shape == (2, 256)


def test_folding_batch_norms_changes_nothing():
    from models.quantize import folded

    torch.manual_seed(0)
    model = build("wide").train()
    model(torch.randn(64, 1, 64, 64))
    model.eval()
    x = torch.randn(4, 1, 64, 64)
    before = model(x)[0]
    assert torch.allclose(folded(model)(x)[0], before, atol=1e-4)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in model.modules())


def test_a_compact_file_answers_as_the_roomy_one_does():
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    from models.quantize import compact

    def answers(model: bytes) -> list[np.ndarray]:
        interpreter = interpreter_class()[0](model_content=model)
        interpreter.allocate_tensors()
        chips = np.random.default_rng(0).integers(-128, 128, (5, 1, 64, 64, 1), np.int8)
        said = []
        for chip in chips:
            interpreter.set_tensor(interpreter.get_input_details()[0]["index"], chip)
            interpreter.invoke()
            said += [interpreter.get_tensor(output["index"]) for output in interpreter.get_output_details()]
        return said

    shipped = SHIPPED["nano"].read_bytes()
    builder = flatbuffers.Builder(len(shipped))
    builder.Finish(schema.ModelT.InitFromPackedBuf(shipped, 0).Pack(builder), b"TFL3")
    roomy = bytes(builder.Output())
    made = compact(roomy)
    assert len(roomy) - len(made) > 5000
    assert len(made) <= 150_000
    assert all(np.array_equal(one, other) for one, other in zip(answers(roomy), answers(made), strict=True))


def test_the_nano_is_an_eighth_of_the_work():
    def macs(model) -> int:
        counted = []
        for module in model.modules():
            if isinstance(module, (torch.nn.Conv2d, torch.nn.Linear)):
                module.register_forward_hook(lambda layer, _, out: counted.append(out[0].numel() * layer.weight[0].numel()))
        model.eval()(torch.zeros(1, 1, 64, 64))
        return sum(counted)

    assert macs(build("emotion")) <= 65e6
    assert macs(build("nano")) <= 8e6


def test_the_teacher_sees_what_dlib_sees(portrait, public):
    """Its features, through dlib's own last layer, are dlib's descriptor of the same chip."""
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
        # 150 pixels in, 150 pixels used: enlarging changes nothing.
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
    """The convolutions of `net` as a TensorFlow.js graph that has their normalisations as factors and offsets; every other factor is 1."""
    nodes, entries, data = [], [], b""

    def constant(name: str, values: "torch.Tensor") -> str:
        nonlocal data
        entries.append({"name": name, "shape": list(values.shape), "dtype": "float32", "quantization": {"dtype": "float16"}})
        data += values.detach().numpy().astype("<f2").tobytes()
        return name

    for i, unit in enumerate(module for module in net.modules() if isinstance(module, Unit)):
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
    published, taken = MobileFaceNet(side=64), MobileFaceNet(side=64)
    with torch.no_grad():
        for module in published.modules():
            if isinstance(module, Unit):
                module.norm.bias.uniform_(-0.5, 0.5)
                if module.conv.groups > 1:
                    module.norm.weight.uniform_(0.5, 1.5)
    with pytest.raises(SystemExit, match=r"faceres-deep\.json and \.bin are not there: run `npm pack"):
        mobile_weights(tmp_path)
    write_graph(published, tmp_path / "models" / MOBILE_WEIGHTS)
    load_mobile_weights(taken, mobile_weights(tmp_path))
    chips = torch.rand(4, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        wanted = published.eval().embed(chips)
        assert (taken.eval().embed(chips) - wanted).abs().max() < 0.02 * wanted.abs().max()
        assert (MobileFaceNet(side=64).eval().embed(chips) - wanted).abs().max() > 0.2 * wanted.abs().max()
        adopt_statistics(taken, chips)
        assert torch.allclose(taken.eval().embed(chips), wanted, atol=0.02 * float(wanted.abs().max()))


def test_the_first_blocks_of_the_mobile_teacher_stay_as_they_are():
    net = MobileFaceNet(side=64).train()
    before = [value.clone() for value in net.kept.state_dict().values()]
    logits, _ = net.training_logits(torch.rand(4, 1, 64, 64))
    logits.sum().backward()
    assert all(parameter.grad is None for parameter in net.kept.parameters())
    assert all(parameter.grad is not None for parameter in net.middle.parameters())
    assert all(torch.equal(a, b) for a, b in zip(before, net.kept.state_dict().values(), strict=True))


def test_a_teacher_named_twice_weighs_twice():
    class Says(torch.nn.Module):
        def __init__(self, which: int):
            super().__init__()
            self.which = which

        def training_logits(self, x):
            logits = torch.zeros(len(x), 8)
            logits[:, self.which] = 100
            return logits, logits[:, :7]

    said = answers({Says(1): 2, Says(3): 1}, np.zeros((5, 64, 64), np.uint8), torch.device("cpu"))
    assert said.shape == (5, 15)
    assert said[:, :8].tolist() == [[0, 2, 0, 1, 0, 0, 0, 0]] * 5


def test_a_mixed_face_is_half_its_own_or_more():
    chips = np.random.default_rng(0).integers(0, 256, (400, 64, 64), np.uint8)
    mix = mixture(400, 0.5, np.random.default_rng(1))
    made = mix.of(chips)
    plain = mix.own == 1
    assert 0.4 < plain.mean() < 0.6
    assert (made[plain] == chips[plain]).all()
    own = np.array([np.corrcoef(made[i].ravel(), chips[i].ravel())[0, 1] for i in np.flatnonzero(~plain & (mix.other != np.arange(400)))])
    assert own.min() > 0.65
    assert np.median(own) < 0.98
    assert (mixture(400, 0.0, np.random.default_rng(1)).of(chips) == chips).all()


def test_views_repeat_and_negatives_are_as_many_as_asked():
    def made():
        torch.manual_seed(3)
        draw = np.random.default_rng(3)
        faces = torch.from_numpy(crops(30)).unsqueeze(1)
        learned = Lesson(faces, still(30), torch.zeros(30, 8), torch.ones(30), torch.zeros(30, dtype=torch.long))
        return view(learned, draw), negative_view(learned, faces, 30, draw)

    (one, bad), (two, bad_again) = made(), made()
    assert one.shape == bad.shape == (30, 64, 64)
    assert one.dtype == np.uint8
    assert (one == two).all()
    assert (bad == bad_again).all()


def test_a_quarter_of_the_chips_is_compressed():
    chips = np.random.default_rng(0).integers(0, 256, (400, 64, 64), np.uint8)
    changed = (compressed(chips, np.random.default_rng(1)) != chips).any((1, 2))
    assert 0.15 < changed.mean() < 0.35


def test_calibration_finds_the_temperature_and_offsets_that_were_put_in():
    draw = np.random.default_rng(0)
    honest = draw.normal(0, 2, (20000, 7))
    honest[:, 3] += 1
    p = np.exp(honest - log_sum_exp(honest)[:, None])
    truth = np.array([draw.choice(7, p=row) for row in p])
    offset = np.array([0.5, 0, 0, -0.5, 0, 0, 0])
    temperature, bias = fit_calibration(((honest - offset) * 1.7).astype(np.float32), truth)
    assert temperature == pytest.approx(1.7, abs=0.06)
    assert bias == pytest.approx(offset, abs=0.12)


def test_the_reject_offset_loses_as_many_faces_as_asked():
    logits = np.random.default_rng(0).normal(0, 1, (5000, 8)).astype(np.float32)
    logits[:, -1] += reject_offset(logits, lost=0.02)
    odds = np.exp(logits - log_sum_exp(logits)[:, None])[:, -1]
    assert (odds > 0.5).mean() == pytest.approx(0.02, abs=0.002)


def test_a_run_that_was_cut_goes_on_and_other_settings_are_refused(tmp_path):
    def run(recipe, lessons="these"):
        torch.manual_seed(0)
        model = build("nano")
        seen = []

        def losses_of(model, epoch):
            seen.append(epoch)
            x = torch.rand(4, 1, 64, 64)
            yield model(x)[0].square().mean()

        fit(model, "nano", recipe, 1, losses_of, lambda model: {"ferplus7": 0.5, "fer2013": 0.5}, tmp_path, lessons)
        return seen

    assert run(Recipe(epochs=2, warmup_epochs=1)) == [0, 1]
    assert run(Recipe(epochs=2, warmup_epochs=1)) == []
    assert load_trained(tmp_path / "weights.pt").head.out_features == 8
    assert (tmp_path / "curves.png").stat().st_size > 1000
    with pytest.raises(Trouble, match=r"last\.pt is of another run \(recipe: .*'seed': 1.*now .*'seed': 9"):
        run(replace(Recipe(epochs=2, warmup_epochs=1), seed=9))
    with pytest.raises(Trouble, match=r"of another run \(lessons: these, now those\): choose another --out, or delete it"):
        run(Recipe(epochs=2, warmup_epochs=1), "those")


def test_a_cut_while_a_checkpoint_is_written_leaves_the_one_before(tmp_path, monkeypatch):
    def losses_of(model, epoch):
        yield model(torch.rand(4, 1, 64, 64))[0].square().mean()

    def run():
        fit(build("nano"), "nano", Recipe(epochs=3, warmup_epochs=1), 1, losses_of, lambda model: {}, tmp_path)

    real, written = torch.save, []

    def power_cut(content, path):
        written.append(path)
        real(content, path)
        if len(written) == 2:
            path.write_bytes(path.read_bytes()[:1000])
            raise KeyboardInterrupt

    monkeypatch.setattr(torch, "save", power_cut)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert torch.load(tmp_path / "last.pt")["epoch"] == 1
    monkeypatch.undo()
    run()
    assert torch.load(tmp_path / "last.pt")["epoch"] == 3


def test_other_versions_of_a_test_picture_are_known():
    draw = np.random.default_rng(0)
    faces = np.stack([cv2.resize(draw.integers(0, 256, (8, 8), np.uint8), (48, 48), interpolation=cv2.INTER_CUBIC) for _ in range(6)])
    noisy = np.clip(faces[4].astype(int) + draw.integers(-25, 26, (48, 48)), 0, 255).astype(np.uint8)
    tests = np.stack([noisy, faces[1][:, ::-1], faces[5]])
    assert versions_of(faces[:5], [tests]).tolist() == [False, True, False, False, True]
    assert not versions_of(faces[:5], []).any()


def test_what_teachers_say_on_average_leaves_out_faces_through_which_others_shine(tmp_path):
    for number, (value, alone) in enumerate([(0.25, [True, True, False]), (0.75, [True, False, False])]):
        np.savez(tmp_path / f"{number:02}.npz", answers=np.full((3, 15), value, np.float16), plain=np.array(alone))
    files = sorted(tmp_path.glob("*.npz"))
    assert mean_answers(files)[:, 0].tolist() == [0.5, 0.25, 0]
    before = contents(files)
    np.savez(files[0], answers=np.zeros((3, 15), np.float16), plain=np.array([True, True, False]))
    assert contents(files) != before


def test_a_student_takes_over_what_the_teachers_said(tmp_path, monkeypatch):
    # So few steps want a short memory.
    monkeypatch.setitem(SCHEDULES, "nano", replace(SCHEDULES["nano"], average_decay=0.8))
    write_tree(tmp_path, [row(f"f{tile}", tile=tile, fear=10) for tile in range(4)])
    views, out = tmp_path / "views", tmp_path / "out"
    views.mkdir()
    n = 240
    bright = np.arange(n) % 2 == 1
    truth = torch.full((n, 8), 1 / 8)
    faces = {"crops": torch.from_numpy(crops(n)).unsqueeze(1), "framing": still(n), "distribution": truth, "weight": torch.zeros(n)}
    torch.save(faces | {"single": torch.full((n,), -1)}, views / "lesson.pt")
    with pytest.raises(SystemExit, match=r"views holds no view yet: run `python -m models\.distill views --out "):
        learn(tmp_path, views, "nano", out)

    # Dark below or above: that is fear or surprise, say the teachers.
    chips = np.full((n, 64, 64), 60, np.uint8)
    chips[bright, :32], chips[~bright, 32:] = 200, 200
    said = np.zeros((n, 15), np.float16)
    said[bright, 2], said[~bright, 5], said[:, 8] = 1, 1, 1
    noise = np.random.default_rng(1).integers(0, 256, (40, 64, 64), np.uint8)
    np.savez(views / "00.npz", chips=chips, negatives=noise, answers=said, plain=np.ones(n, dtype=bool))
    learn(tmp_path, views, "nano", tmp_path / "first", epochs=6)
    learn(tmp_path, views, "nano", out, start=tmp_path / "first", epochs=4)
    learned = load_trained(out / "weights.pt")
    with torch.no_grad():
        logits = learned(to_input(np.concatenate([chips[:2], noise[:2]])))[0]
    assert logits[:2].argmax(1).tolist() == [5, 2]
    unreadable = logits.softmax(1)[:, 7]
    assert float(unreadable[2:].min()) > float(unreadable[:2].max())


def test_the_mean_of_courses_lies_between_them(tmp_path):
    for name, net, value in (("a", "nano", 1.0), ("b", "nano", 4.0), ("c", "emotion", 1.0)):
        model = build(net)
        torch.nn.init.constant_(model.head.weight, value)
        (tmp_path / name).mkdir()
        torch.save({"net": net, "recipe": {"epochs": 5}, "torch": "", "weights": model.state_dict()}, tmp_path / name / "weights.pt")
    mean([tmp_path / "a", tmp_path / "a", tmp_path / "b"], tmp_path / "out")
    assert float((load_trained(tmp_path / "out" / "weights.pt").head.weight - 2).abs().max()) < 1e-6
    assert torch.load(tmp_path / "out" / "weights.pt")["recipe"] == {"epochs": 5, "mean_of": 3}
    with pytest.raises(SystemExit, match="different networks cannot be averaged: nano, emotion"):
        mean([tmp_path / "a", tmp_path / "c"], tmp_path / "out")


def test_photos_of_rare_expressions_are_taken_four_times():
    labels = ["sadness", "happiness", "sadness", "neutral"]
    distribution = torch.eye(8)[[LABELS.index(label) for label in labels]]
    single = torch.tensor([4, -1, -1, -1])
    taken = repeated(Lesson(torch.arange(4).reshape(4, 1, 1, 1), still(4), distribution, torch.ones(4), single))
    assert taken.crops.flatten().tolist() == [0, 1, 2, 3, 2, 2, 2]
    assert taken.single.tolist() == [4, -1, -1, -1, -1, -1, -1]


def test_takes_of_people_are_learned_from_but_for_every_third_person(tmp_path):
    write_tree(tmp_path, [row("a", "train", 0, fear=10), row("b", "train", 1, near="public_test", fear=10), row("c", tile=7)])
    cv2.imwrite(str(tmp_path / "train.png"), np.zeros((48, 48 * 170), np.uint8))
    for number in range(6):
        give(tmp_path / "people", f"person {number}", ["disgust"])
    people = load_sessions(tmp_path / "people")
    learned = lesson(tmp_path, people=tmp_path / "people")
    taken = people.splits == "train"
    assert 0 < taken.sum() < 12
    assert (learned.crops[1:, 0].numpy() == people.pixels[taken]).all()
    assert learned.framing[1:].numpy() == pytest.approx(np.tile(np.eye(2, 3), (taken.sum(), 1, 1)))
    assert learned.distribution[1:, LABELS.index("disgust")].numpy() == pytest.approx(0.85 + 0.15 / 7)
    assert learned.distribution.sum(1).numpy() == pytest.approx(1)
    assert learned.weight.numpy() == pytest.approx([1] + [0.6] * taken.sum())


def test_twisting_stirs_the_middle_and_leaves_the_corners():
    torch.manual_seed(0)
    across = torch.linspace(0, 1, 64).expand(100, 1, 64, 64)
    moved = (twisted(across) - across).abs()[:, 0]
    assert float(moved[:, 22:42, 22:42].amax((1, 2)).min()) > 0.05
    assert float(moved[:, [0, 0, -1, -1], [0, -1, 0, -1]].max()) < 0.15
    assert float(moved.amax((1, 2)).median()) > 0.3


def test_a_misplaced_face_ends_where_the_scenery_begins():
    torch.manual_seed(0)
    face, scenery = torch.full((100, 1, 48, 48), 200, dtype=torch.uint8), torch.full((100, 1, 64, 64), 50.0)
    made = beside(face, torch.eye(2, 3).expand(100, 2, 3), scenery)
    assert float(made.min()) > 45
    assert float(made.max()) < 201
    shares = (made > 125).float().mean((1, 2, 3))
    assert 0.2 < float(shares.mean()) < 0.8


def test_a_torn_face_has_one_part_moved_and_loses_nothing():
    torch.manual_seed(0)
    chips = torch.arange(64.0)[None, None, :, None] * 64 + torch.arange(64.0)
    ways = set()
    for one in torn(chips.expand(200, 1, 64, 64))[:, 0]:
        assert torch.equal(one.flatten().sort().values, chips.flatten())
        same = one == chips[0, 0]
        lines = same.all(0) if bool(same.all(0).any()) else same.all(1)
        assert 24 <= int(lines.sum()) <= 40
        assert bool(same.any(0).all()) != bool(same.any(1).all())
        ways.add(bool(same.all(0).any()))
    assert ways == {False, True}


def test_a_crowd_is_four_faces_at_half_their_size():
    torch.manual_seed(0)
    chips = torch.arange(50.0)[:, None, None, None].expand(50, 1, 64, 64)
    made = crowded(chips)
    corners = made[:, 0, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert all(sorted(corner.tolist()) == list(range(50)) for corner in corners.T)
    assert float((corners.amax(1) > corners.amin(1)).float().mean()) > 0.9
    assert float(made.flatten(1).std(1).mean()) > 5


def test_a_jumbled_face_has_all_its_bands_but_not_in_their_order():
    chips = torch.arange(64.0)[None, None, :, None] * 64 + torch.arange(64.0)
    made = jumbled(chips.expand(200, 1, 64, 64))
    for one in made[:, 0]:
        assert not torch.equal(one, chips[0, 0])
        assert torch.equal(one.flatten().sort().values, chips.flatten())
    rows = {int(one[0, 0]) // 64 for one in made[:, 0]}
    columns = {int(one[0, 0]) % 64 for one in made[:, 0]}
    assert rows == columns == {0, 16, 32, 48}
