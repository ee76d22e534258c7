import pytest

torch = pytest.importorskip("torch", reason="needs models/requirements.txt")

from models.checkpoint import build, load_trained, save_trained  # noqa: E402
from models.pool import main  # noqa: E402


def test_the_pooled_head_gives_the_sum_of_the_shares_and_leaves_reject_alone(tmp_path):
    torch.manual_seed(0)
    before = build("nano").eval()
    save_trained(tmp_path / "one.pt", "nano", {"epochs": 3}, before.state_dict())
    main(tmp_path / "one.pt", tmp_path / "new" / "two.pt", own_labels=0.5, opinion=0.25)
    after = load_trained(tmp_path / "new" / "two.pt")
    x = torch.rand(4, 1, 64, 64) * 2 - 1
    with torch.no_grad():
        logits, original, opinion = before.training_logits(x)
        pooled = after.training_logits(x)
    assert torch.allclose(pooled[0][:, :7], logits[:, :7] + 0.5 * original + 0.25 * opinion, atol=1e-5)
    assert torch.allclose(pooled[0][:, 7], logits[:, 7])
    assert torch.allclose(pooled[1], original)
    assert torch.load(tmp_path / "new" / "two.pt")["recipe"] == {"epochs": 3, "own_labels": 0.5, "opinion": 0.25}
