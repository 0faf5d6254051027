"""`python -m pegboard`: the same as the console script."""

import sys

from pegboard._cli.main import main

sys.exit(main())
