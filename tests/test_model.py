import copy
import dataclasses

import pytest
import torch

from vidseq.errors import UserError
from vidseq.language.question import pad_tokens
from vidseq.model import ModelConfig, ModelState, VideoReasoner
from vidseq.projection import FrameProjection, Look, TokenProjection


def in_steps(
    model: VideoReasoner, features: torch.Tensor, mask: torch.Tensor, frames: int = 4
) -> tuple[torch.Tensor, ModelState]:
    """Reads videos a few frames at a time."""
    state, parts = model.init_state(len(features)), []
    for part, valid in zip(features.split(frames, dim=1), mask.split(frames, dim=1)):
        y, state = model.step(part, state, valid)
        parts.append(y)
    return torch.cat(parts, dim=1), state


def test_step_by_step_is_the_whole_video(toy_model: VideoReasoner) -> None:
    features = torch.randn(2, 9, 6)
    mask = torch.arange(9) < torch.tensor([[9], [5]])
    whole = toy_model(features, mask)
    torch.testing.assert_close(in_steps(toy_model, features, mask)[0], whole)
    assert toy_model.frame_logits(whole).shape == (2, 9, 2)


def test_queries_do_not_see_each_other_and_leave_the_state(toy_model: VideoReasoner) -> None:
    with torch.no_grad():
        _, state = toy_model.step(torch.randn(1, 5, 6), toy_model.init_state(1))
    before = copy.deepcopy(state)
    tokens = pad_tokens([[2, 3], [4, 5], []])
    together = toy_model.ask(tokens[None], state, "question")
    for number in range(3):
        torch.testing.assert_close(toy_model.ask(tokens[None, [number]], state, "question")[0, 0], together[0, number])
    for old, new in zip([*before.memory, before.present], [*state.memory, state.present]):
        assert torch.equal(old, new)


def test_the_present_is_the_newest_valid_output(toy_model: VideoReasoner) -> None:
    features = torch.randn(3, 6, 6)
    mask = torch.arange(6) < torch.tensor([[6], [2], [0]])
    y, state = toy_model.step(features, toy_model.init_state(3), mask)
    torch.testing.assert_close(state.present, torch.stack([y[0, 5], y[1, 1], torch.zeros(8)]))
    later = toy_model.step(features[:, :0], state, mask[:, :0])[1]
    none_valid = toy_model.step(features, state, torch.zeros_like(mask))[1]
    assert torch.equal(later.present, state.present) and torch.equal(none_valid.present, state.present)


def test_blind_is_asking_before_the_first_frame(toy_model: VideoReasoner) -> None:
    tokens = pad_tokens([[2, 3]])[None]
    torch.testing.assert_close(
        toy_model.blind(tokens, "question"), toy_model.ask(tokens, toy_model.init_state(1), "question")
    )


def test_nan_in_padding_reaches_neither_output_nor_gradient(toy_model: VideoReasoner) -> None:
    features = torch.randn(1, 6, 6)
    features[:, 4:] = float("nan")
    y = toy_model(features, torch.arange(6)[None] < 4)
    assert torch.isfinite(y).all()
    y.sum().backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in toy_model.parameters())


def test_features_are_standardised() -> None:
    projection = FrameProjection(3, 4, dropout=0.0, feature_dropout=0.0)
    features = torch.randn(50, 3) * torch.tensor([1.0, 100.0, 0.0]) + torch.tensor([0.0, 1000.0, 7.0])
    projection.standardise_by(features.mean(0), features.std(0))
    moved = torch.randn(50, 3) * torch.tensor([1.0, 100.0, 0.0]) + torch.tensor([0.0, 1000.0, 7.0])
    assert torch.isfinite(projection(moved).x).all()
    assert projection.std.tolist()[2] == 1  # a constant feature stays as it is
    scaled = FrameProjection(3, 4, dropout=0.0, feature_dropout=0.0)
    scaled.load_state_dict(projection.state_dict())
    scaled.standardise_by(features.mean(0) * 2, features.std(0) * 2)
    torch.testing.assert_close(scaled(moved * 2).x[:, :2], projection(moved).x[:, :2], atol=1e-4, rtol=1e-4)


def test_config_survives_json(toy_config: ModelConfig) -> None:
    assert ModelConfig.from_json(toy_config.to_json()) == toy_config


def test_a_noncausal_model_labels_frames_alone(toy_config: ModelConfig) -> None:
    with pytest.raises(UserError, match=r"causal=False sees the future, .* got 'next_action'\. Use"):
        VideoReasoner(dataclasses.replace(toy_config, causal=False))
    model = VideoReasoner(dataclasses.replace(toy_config, causal=False, tasks={"frame_labels": {}})).eval()
    features = torch.randn(1, 5, 6)
    changed = features.clone()
    changed[:, -1] = torch.randn(6)
    assert (model(features) - model(changed))[:, 0].abs().max() > 1e-6
    with pytest.raises(ValueError, match="cannot step"):
        model.step(features, model.init_state(1))


def test_misuse_is_named(toy_config: ModelConfig, toy_model: VideoReasoner) -> None:
    with pytest.raises(UserError, match=r"The model expects features \(B, T, 6\), got \(1, 4, 5\)\."):
        toy_model(torch.randn(1, 4, 5))
    with pytest.raises(UserError, match=r"expects at least one task, got none\. Known tasks: frame_labels"):
        VideoReasoner(dataclasses.replace(toy_config, tasks={}))
    with pytest.raises(UserError, match=r"Unknown task 'answers'"):
        VideoReasoner(dataclasses.replace(toy_config, tasks={"answers": {}}))
    with pytest.raises(UserError, match=r"Unknown head 'lstn'\. Did you mean 'lstm'\?"):
        VideoReasoner(dataclasses.replace(toy_config, head="lstn"))
    with pytest.raises(UserError, match=r"Unknown lstm option 'layer'\. Did you mean 'layers'\?"):
        VideoReasoner(dataclasses.replace(toy_config, head_options={"layer": 2}))
    labels_only = VideoReasoner(dataclasses.replace(toy_config, tasks={"frame_labels": {}}))
    with pytest.raises(UserError, match=r"Unknown task of this model 'question'"):
        labels_only.ask(torch.zeros(1, 1, 1, dtype=torch.long), labels_only.init_state(1), "question")
    with pytest.raises(UserError, match=r"expect a dense task such as frame_labels, got 'question'\."):
        toy_model.frame_logits(torch.zeros(1, 1, 8), "question")
    del toy_model.tasks["frame_labels"]
    with pytest.raises(UserError, match=r"a model trained for frame_labels, got one for next_action, question\."):
        toy_model.frame_logits(torch.zeros(1, 1, 8))


# -- features with a token axis


@pytest.fixture
def token_model(toy_config: ModelConfig) -> VideoReasoner:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return VideoReasoner(dataclasses.replace(toy_config, tokens=5, token_dim=6, token_queries=3)).eval()


def test_tokens_step_by_step_are_the_whole_video(token_model: VideoReasoner) -> None:
    features = torch.randn(2, 9, 5, 6)
    mask = torch.arange(9) < torch.tensor([[9], [4]])
    y, state = in_steps(token_model, features, mask)
    torch.testing.assert_close(y, token_model(features, mask))
    newest = token_model.split(token_model.project(features)).tokens
    torch.testing.assert_close(state.tokens, torch.stack([newest[0, 8], newest[1, 3]]))


def test_a_question_looks_at_the_newest_frame_however_long_the_past(token_model: VideoReasoner) -> None:
    features, tokens = torch.randn(1, 7, 5, 6), pad_tokens([[2, 3]])[None]
    seen = token_model.step(features, token_model.init_state(1))[1]
    moved = features.clone()
    moved[:, -1] = torch.randn(5, 6)
    other = token_model.step(moved, token_model.init_state(1))[1]
    swapped = seen._replace(tokens=other.tokens)
    answers = [token_model.ask(tokens, state, "question") for state in (seen, swapped)]
    assert (answers[0] - answers[1]).abs().max() > 1e-4
    looked = token_model.look_at(torch.randn(1, 2, 8), token_model.init_state(1).tokens)
    assert torch.equal(looked, torch.zeros(1, 2, 8))  # before the first frame


def test_a_look_is_attention_to_the_tokens() -> None:
    look = Look(8, 6, heads=2)
    queries, tokens = torch.randn(3, 4, 8), torch.randn(3, 5, 6)
    for row, query in [(0, 0), (2, 3)]:
        parts = []
        for head in range(2):
            q = (look.query.weight @ queries[row, query] + look.query.bias)[6 * head : 6 * head + 6]
            weights = torch.softmax(torch.stack([token @ q for token in tokens[row]]) / 6**0.5, dim=0)
            parts.append(sum(weight * token for weight, token in zip(weights, tokens[row])))
        expected = look.out.weight @ torch.cat(parts)
        torch.testing.assert_close(look(queries, tokens)[row, query], expected)


def test_places_matter(token_model: VideoReasoner) -> None:
    features = torch.randn(1, 3, 5, 6)
    assert (token_model(features) - token_model(features.flip(2))).abs().max() > 1e-3


def test_the_channels_of_all_places_are_standardised_alike() -> None:
    projection = TokenProjection(
        (2, 3), 4, token_dim=4, token_queries=2, place_dim=0, dropout=0.0, feature_dropout=0.0
    )
    features = torch.randn(200, 2, 3) * torch.tensor([[1.0], [5.0]]) + torch.tensor([[0.0], [9.0]])
    projection.standardise_by(features.mean(0), features.std(0, correction=0))
    together = features.flatten(0, 1)
    expected = (features - together.mean(0)) / together.std(0, correction=0)
    torch.testing.assert_close(projection.standardise(features), expected, atol=1e-4, rtol=1e-4)
    same = torch.tensor([0.3, -1.0, 4.0]).expand(1, 2, 3)
    torch.testing.assert_close(*projection.standardise(same)[0])


def test_memory_reads_quiet_places_as_loudly_as_others() -> None:
    """A place where little happens has small numbers: memory gets them as deviations of its own usual size."""
    torch.manual_seed(0)
    options = {"token_dim": 4, "token_queries": 2, "place_dim": 3, "dropout": 0.0, "feature_dropout": 0.0}
    projection = TokenProjection((3, 3), 4, **options).eval()  # type: ignore[arg-type]
    read: list[torch.Tensor] = []
    assert projection.places is not None
    projection.places.register_forward_pre_hook(lambda module, inputs: read.append(inputs[0]))
    size, usual = (
        torch.tensor([[1.0], [0.01], [0.0]]),
        torch.tensor([[0.0, 1.0, 2.0], [9.0, 8.0, 7.0], [3.0, 3.0, 3.0]]),
    )
    features = (torch.randn(1, 400, 3, 3) * size + usual).double().float()
    projection.standardise_by(features[0].mean(0), features[0].std(0, correction=0))
    projection(features)
    sizes = read[0][0].square().mean(dim=(0, 2)).sqrt()
    torch.testing.assert_close(sizes[:2], torch.ones(2), atol=0.1, rtol=0)
    assert sizes[2] < 0.1  # nothing happens there
    torch.testing.assert_close(read[0][0].mean(0), torch.zeros(3, 3), atol=1e-2, rtol=0)


@pytest.mark.parametrize("place_dim", [2, 3, 64])
def test_every_place_reaches_the_head(place_dim: int) -> None:
    torch.manual_seed(0)
    options = {"token_dim": 4, "token_queries": 2, "dropout": 0.0, "feature_dropout": 0.0}
    projection = TokenProjection((5, 3), 8, place_dim=place_dim, **options).eval()  # type: ignore[arg-type]
    features = torch.randn(1, 1, 5, 3)
    x, _ = projection(features)
    assert projection.places is not None
    narrow, wide, width = projection.places[0], projection.places[3], min(place_dim, 3)
    parts = [wide.weight[:, width * k : width * (k + 1)] @ narrow(features[0, 0, k]) for k in range(5)]
    places, projection.places = projection.places, None
    torch.testing.assert_close(x[0, 0], projection(features).x[0, 0] + torch.stack(parts).sum(0))
    assert sum(part.numel() for part in places.parameters()) == (3 * 2 + 2 if width < 3 else 0) + 5 * width * 8


def test_nan_in_the_padding_of_tokens_reaches_no_gradient(token_model: VideoReasoner) -> None:
    features = torch.randn(1, 6, 5, 6)
    features[:, 4:] = float("nan")
    token_model(features, torch.arange(6)[None] < 4).sum().backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in token_model.parameters())


@pytest.mark.parametrize("shape", [(1, 4, 6), (1, 4, 6, 6), (1, 4, 5, 5)])
def test_features_of_another_token_axis_are_named(token_model: VideoReasoner, shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=r"The model expects features \(B, T, 5, 6\), got"):
        token_model(torch.randn(shape))


# -- standing questions


@pytest.fixture
def standing_model(toy_config: ModelConfig) -> VideoReasoner:
    """A model that asks two questions at every frame."""
    questions = ("what was it", "what colour")
    config = dataclasses.replace(toy_config, tokens=5, token_dim=6, token_queries=3, standing_questions=questions)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = VideoReasoner(config).eval()
        assert model.standing is not None
        torch.nn.init.normal_(model.standing.keep.weight)
        return model


def test_memory_keeps_what_each_standing_question_sees_of_a_frame(standing_model: VideoReasoner) -> None:
    model, features = standing_model, torch.randn(1, 2, 5, 6)
    standing, look, encoder = model.standing, model.look, model.encoder
    assert standing is not None
    assert look is not None
    assert encoder is not None
    x, tokens = model.split(model.project(features))
    for frame in range(2):
        kept = []
        for text in ("what was it", "what colour"):
            asked = encoder(torch.tensor([model.vocabulary.encode(text)]))
            look.out, out = torch.nn.Identity(), look.out  # type: ignore[assignment]
            kept.append(standing.narrow.weight @ look(asked, tokens[0, frame])[0])
            look.out = out
        added = standing.keep.weight @ torch.cat(kept) / 2**0.5
        torch.testing.assert_close(x[0, frame], model.projection(features).x[0, frame] + added)


def test_prepared_standing_questions_are_those_of_now(standing_model: VideoReasoner) -> None:
    model, features = standing_model, torch.randn(1, 4, 5, 6)
    before = model(features)
    model.prepare()
    with torch.no_grad():
        torch.testing.assert_close(model(features), before)
        torch.testing.assert_close(in_steps(model, features, torch.ones(1, 4, dtype=torch.bool))[0], before)
        assert model.encoder is not None
        model.encoder.embedding.weight.mul_(3)
        model.prepare()
        changed = model(features)
    assert (changed - before).abs().max() > 1e-3
    torch.testing.assert_close(model(features), changed)
    assert "standing.vectors" not in model.state_dict()


def test_standing_questions_drop_nothing_in_training(standing_model: VideoReasoner) -> None:
    assert standing_model.encoder is not None
    standing_model.encoder.train()
    standing_model.encoder.dropout, standing_model.encoder.word_dropout = 0.5, 0.5
    features = torch.randn(1, 2, 5, 6)
    torch.testing.assert_close(standing_model(features), standing_model(features))


def test_standing_questions_add_nothing_at_first(toy_config: ModelConfig) -> None:
    config = dataclasses.replace(toy_config, tokens=5, token_dim=6, standing_questions=("what was it",))
    model, features = VideoReasoner(config).eval(), torch.randn(1, 2, 5, 6)
    torch.testing.assert_close(model.split(model.project(features)).x, model.projection(features).x)
    assert VideoReasoner(dataclasses.replace(config, tokens=0)).standing is None  # nothing to look at


def test_in_training_some_questions_do_not_look(toy_config: ModelConfig) -> None:
    config = dataclasses.replace(toy_config, tokens=5, token_dim=6, token_queries=3, look_dropout=0.5)
    model = VideoReasoner(config).train()
    vectors, tokens = torch.randn(400, 1, 8), torch.randn(400, 5, 6)
    blind = (model.look_at(vectors, tokens) == 0).all(dim=-1).float().mean()
    assert 0.4 < float(blind) < 0.6
    assert bool((model.eval().look_at(vectors, tokens) != 0).any(dim=-1).all())
