from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Dev


@pytest.fixture
def dev(tmp_path: Path) -> Iterator[Dev]:
    server = Dev(tmp_path / "data")
    server.start()
    yield server
    server.kill()
