"""The bigram forecast by hand."""

import numpy as np

from vidseq.baselines.bigram_forecast import BigramForecast
from vidseq.forecasting.long_term import filled


def test_the_bigram_by_hand() -> None:
    training = [np.array([0] * 4 + [1] * 2 + [2] * 4), np.array([0] * 6 + [1] * 4 + [2] * 10)]
    forecast = BigramForecast(training).for_length(20)  # lengths: 0 for 7 of 20, 1 for 4, 2 for 9, which ends
    assert forecast(np.array([0, 0, 0]), 10).tolist() == [0] * 4 + [1] * 4 + [2] * 9
    assert forecast(np.array([0] * 9), 3).tolist() == [1] * 4  # longer than usual: it ends now
    assert filled(forecast(np.array([2] * 8), 5), 5).tolist() == [2] * 5  # then the end, which is filled up
    assert forecast(np.array([7]), 2).tolist() == [7]  # never seen
    patient = BigramForecast(training, patient=True).for_length(20)
    assert patient(np.array([0] * 6), 3).tolist() == [0] * 2 + [1] * 4  # only the first lasted longer: 8 of 20
