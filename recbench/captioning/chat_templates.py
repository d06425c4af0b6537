"""A checkpoint's chat template, which is a program: it is run by a process of its own, with bounded time and memory.

transformers keeps a template from Python's objects, not from looping for hours or filling the memory. As a program
(`python -m recbench.captioning.chat_templates`) this module is that process: a line of JSON in, a line of JSON out.
"""

import json
import os
import resource
import select
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from recbench.errors import UserError

SECONDS = 10  # a template takes a thousandth
START_SECONDS = 120  # for imports, on a busy machine
MEMORY = 4 << 30  # bytes of address space, of which imports take one
LONGEST = 1 << 20  # characters of a prompt


class ChatTemplate:
    """Writes conversations as a checkpoint expects them."""

    def __init__(self, template: Any, variables: dict[str, Any], source: str) -> None:
        """Nothing is run yet.

        Args:
            template: Jinja's text, or several by name, of which `default` counts.
            variables: what a template may name beside the messages: special tokens.
            source: where the template comes from, for messages, such as `captioner.path=FOLDER`.
        """
        self.template = template.get("default") if isinstance(template, dict) else template
        self.variables = {name: str(value) for name, value in variables.items() if isinstance(value, str)}
        self.source = source
        self._process: subprocess.Popen[str] | None = None

    def render(self, content: Any) -> str:
        """The prompt for one message of the user's.

        Raises:
            UserError: the template fails, or takes too much time or memory.
        """
        if not isinstance(self.template, str):
            raise UserError(f"{self.source} has chat templates, none of them the default; give another checkpoint")
        process = self._process or self._start()
        assert process.stdin is not None and process.stdout is not None
        request = {"template": self.template, "content": content, "variables": self.variables}
        with suppress(BrokenPipeError):  # what it died of shows below
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
        if not select.select([process.stdout], [], [], SECONDS)[0]:
            self.close()
            raise UserError(f"{self.source}: its chat template ran for more than {SECONDS} s on one prompt; repair it")
        answer = process.stdout.readline()
        if not answer.endswith("\n"):
            self.close()
            raise UserError(f"{self.source}: its chat template fills the memory; repair it")
        found = json.loads(answer)
        if "error" in found:
            raise UserError(f"{self.source}: its chat template fails ({found['error']}); repair it")
        return str(found["text"])

    def _start(self) -> "subprocess.Popen[str]":
        here = str(Path(__file__).resolve().parents[2])
        paths = os.pathsep.join([here, *filter(None, [os.environ.get("PYTHONPATH")])])
        command = [sys.executable, "-P", "-m", "recbench.captioning.chat_templates"]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            encoding="utf-8",
            env={**os.environ, "PYTHONPATH": paths},
        )
        assert self._process.stdout is not None
        if not select.select([self._process.stdout], [], [], START_SECONDS)[0] or not self._process.stdout.readline():
            self.close()
            raise UserError(f"{self.source}: the process that runs its chat template does not start; try again")
        return self._process

    def close(self) -> None:
        """End the process."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    stream.close()  # type: ignore[union-attr]
            self._process = None

    def __del__(self) -> None:
        self.close()


def serve(requests: TextIO, answers: TextIO) -> None:
    """Render what comes in, line by line, until there is no more."""
    from transformers.utils.chat_template_utils import render_jinja_template

    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    answers.write("ready\n")
    answers.flush()
    for line in requests:
        request = json.loads(line)
        turns = [{"role": "user", "content": request["content"]}]
        try:
            (text,), _ = render_jinja_template(
                conversations=[turns],
                chat_template=request["template"],
                add_generation_prompt=True,
                **request["variables"],
            )
            if len(text) > LONGEST:
                raise ValueError(f"it writes {len(text):,} characters for one prompt")
            answer = {"text": text}
        except Exception as problem:  # whatever a template leads to, a lack of memory among it
            answer = {"error": (" ".join(str(problem).split()) or type(problem).__name__)[:200]}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    serve(sys.stdin, sys.stdout)
