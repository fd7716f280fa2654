"""The engine on real servers: killed, stopped, cut off and fed with poison."""

import pytest

pytest.register_assert_rewrite(f"{__name__}.witness", f"{__name__}.worker", f"{__name__}.wire", f"{__name__}.feed")
