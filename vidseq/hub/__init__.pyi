from .card import Card as Card
from .card import model_card as model_card
from .pull import pull_model as pull_model
from .push import push_model as push_model
