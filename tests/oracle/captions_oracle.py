"""Caption metrics by published packages (README.md here). Usage: captions_oracle.py captions.csv out.json"""

import csv
import json
import re
import sys
from importlib.metadata import version

import sacrebleu
from pycocoevalcap.cider.cider import Cider
from rouge_score.rouge_scorer import RougeScorer

with open(sys.argv[1], newline="", encoding="utf-8") as file:
    rows = list(csv.DictReader(file))
# Every package gets the same words: lower-case, punctuation replaced by blanks.
captions, references = (
    [" ".join(re.findall("[a-z0-9]+", row[name].lower())) for row in rows] for name in ("caption", "reference")
)
bleu = sacrebleu.corpus_bleu(captions, [references], tokenize="none", smooth_method="none", force=True)
rouge = RougeScorer(["rougeL"], use_stemmer=False)
cider, each = Cider().compute_score(
    {index: [text] for index, text in enumerate(references)}, {index: [text] for index, text in enumerate(captions)}
)
values = {
    "bleu4": bleu.score / 100,
    "rouge_l": sum(rouge.score(r, c)["rougeL"].fmeasure for c, r in zip(captions, references)) / len(rows),
    "cider": float(cider),
    "versions": {name: version(name) for name in ("sacrebleu", "rouge-score", "pycocoevalcap")},
}
with open(sys.argv[2], "w", encoding="utf-8") as file:
    json.dump(values, file, indent=2)
    file.write("\n")
