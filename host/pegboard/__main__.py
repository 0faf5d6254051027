"""`python -m pegboard`: the same as the console script."""

import sys

# With -m the working folder comes first, and a host is started in folders that nobody trusts.
del sys.path[0]

from pegboard._cli.main import main  # noqa: E402

sys.exit(main())
