from dataclasses import replace

import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import build, load_trained  # noqa: E402
from models.training import TrainingSettings, fit  # noqa: E402
from realtime.base.errors import Trouble  # noqa: E402


def test_a_run_that_was_stopped_continues_and_other_settings_are_refused(tmp_path):
    def run(settings, data_mark="these"):
        torch.manual_seed(0)
        model = build("nano")
        epochs = []

        def losses_of(model, epoch):
            epochs.append(epoch)
            x = torch.rand(4, 1, 64, 64)
            yield model(x)[0].square().mean()

        fit(model, "nano", settings, 1, losses_of, lambda model: {"ferplus7": 0.5, "fer2013": 0.5}, tmp_path, data_mark)
        return epochs

    assert run(TrainingSettings(epochs=2, warmup_epochs=1)) == [0, 1]
    assert run(TrainingSettings(epochs=2, warmup_epochs=1)) == []
    assert load_trained(tmp_path / "weights.pt").head.out_features == 8
    assert (tmp_path / "curves.png").stat().st_size > 1000
    with pytest.raises(Trouble, match=r"last\.pt is of another run \(recipe: .*'seed': 1.*now .*'seed': 9"):
        run(replace(TrainingSettings(epochs=2, warmup_epochs=1), seed=9))
    with pytest.raises(Trouble, match=r"of another run \(lessons: these, now those\): choose another --out, or delete it"):
        run(TrainingSettings(epochs=2, warmup_epochs=1), "those")


def test_a_run_that_is_killed_while_a_checkpoint_is_written_keeps_the_one_before(tmp_path, monkeypatch):
    def losses_of(model, epoch):
        yield model(torch.rand(4, 1, 64, 64))[0].square().mean()

    def run():
        fit(build("nano"), "nano", TrainingSettings(epochs=3, warmup_epochs=1), 1, losses_of, lambda model: {}, tmp_path)

    real, count = torch.save, 0

    def killed_at_the_second_checkpoint(content, file):
        nonlocal count
        count += 1
        if count == 2:
            file.write(b"half a checkpoint")
            raise KeyboardInterrupt
        real(content, file)

    monkeypatch.setattr(torch, "save", killed_at_the_second_checkpoint)
    with pytest.raises(KeyboardInterrupt):
        run()
    assert torch.load(tmp_path / "last.pt")["epoch"] == 1
    monkeypatch.undo()
    run()
    assert torch.load(tmp_path / "last.pt")["epoch"] == 3
