"""Every baseline by its name. A new baseline is one class, imported and listed here."""

from vidseq.baselines.bag_of_labels import BagOfLabels
from vidseq.baselines.baseline import Baseline
from vidseq.baselines.chain import NGram
from vidseq.baselines.label_probes import LabelBagProbe, LabelChainProbe
from vidseq.baselines.last_label import RepeatLastLabel
from vidseq.baselines.majority import Majority
from vidseq.baselines.probes import BagOfFrames, BestFrameProbe, LastFrameProbe, QuestionOnly, TimeOnly

BASELINES: dict[str, type[Baseline]] = {
    baseline.name: baseline
    for baseline in (
        Majority,
        QuestionOnly,
        TimeOnly,
        LastFrameProbe,
        BagOfFrames,
        BestFrameProbe,
        RepeatLastLabel,
        NGram,
        BagOfLabels,
        LabelBagProbe,
        LabelChainProbe,
    )
}
