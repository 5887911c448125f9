import torch

from vidseq.model import ModelConfig, VideoReasoner
from vidseq.training.config import TrainConfig
from vidseq.training.optimizer import make_optimizer, set_learning_rate


def test_only_matrices_decay_and_word_embeddings_do_not(toy_config: ModelConfig) -> None:
    model = VideoReasoner(toy_config)
    optimizer = make_optimizer(model, TrainConfig(lr=0.1, weight_decay=0.3))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    words = {id(module.weight) for module in model.modules() if isinstance(module, torch.nn.Embedding)}
    assert words
    assert len(decay) == len(list(model.parameters()))
    for name, parameter in model.named_parameters():
        matrix = parameter.ndim > 1 and id(parameter) not in words
        assert decay[id(parameter)] == (0.3 if matrix else 0.0), name


def test_the_learning_rate_is_that_of_all_parameters(toy_config: ModelConfig) -> None:
    optimizer = make_optimizer(VideoReasoner(toy_config), TrainConfig(lr=0.1))
    set_learning_rate(optimizer, 0.02)
    assert [group["lr"] for group in optimizer.param_groups] == [0.02, 0.02]
