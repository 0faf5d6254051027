"""Kinds of files by the names that they usually have, as `rg --type` knows them."""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase

from pegboard.errors import ToolError, did_you_mean

KINDS: dict[str, str] = {
    "asm": "*.asm *.s *.S",
    "c": "*.c *.h *.H *.cats",
    "cmake": "*.cmake CMakeLists.txt",
    "config": "*.cfg *.conf *.config *.ini",
    "cpp": "*.cpp *.hpp *.cc *.hh *.cxx *.hxx *.C *.H *.h *.inl",
    "cs": "*.cs",
    "css": "*.css *.scss",
    "csv": "*.csv",
    "dart": "*.dart",
    "docker": "*Dockerfile*",
    "elixir": "*.ex *.exs *.eex *.heex *.leex *.livemd",
    "go": "*.go",
    "haskell": "*.hs *.lhs *.hsc *.c2hs *.cpphs",
    "html": "*.html *.htm *.ejs",
    "ini": "*.ini",
    "java": "*.java *.jsp *.jspx *.properties",
    "js": "*.js *.jsx *.mjs *.cjs *.vue",
    "json": "*.json composer.lock",
    "jsonl": "*.jsonl",
    "jupyter": "*.ipynb *.jpynb",
    "kotlin": "*.kt *.kts",
    "lua": "*.lua",
    "make": "*.mk *.mak Makefile makefile GNUmakefile gnumakefile Makefile.am Makefile.in",
    "md": "*.md *.markdown *.mdown *.mdwn *.mdx *.mkd *.mkdn",
    "perl": "*.pl *.pm *.PL *.perl *.plh *.plx *.t",
    "php": "*.php *.php3 *.php4 *.php5 *.php7 *.php8 *.pht *.phtml",
    "proto": "*.proto",
    "py": "*.py *.pyi",
    "r": "*.r *.R *.Rmd *.Rnw",
    "ruby": "*.rb *.rbw *.gemspec Gemfile Rakefile config.ru .irbrc",
    "rst": "*.rst",
    "rust": "*.rs",
    "scala": "*.scala *.sbt",
    "sh": "*.sh *.bash *.zsh *.ksh *.csh *.tcsh .bashrc .bash_profile .profile .zshrc .zshenv .zprofile .envrc",
    "sql": "*.sql *.psql",
    "svelte": "*.svelte",
    "swift": "*.swift",
    "tex": "*.tex *.ltx *.cls *.sty *.bib *.dtx *.ins",
    "tf": "*.tf *.tfvars *.tf.json *.tfrc .terraform.lock.hcl",
    "toml": "*.toml Cargo.lock",
    "ts": "*.ts *.tsx *.cts *.mts",
    "txt": "*.txt",
    "vue": "*.vue",
    "xml": "*.xml *.xsd *.xsl *.xslt *.dtd *.rng *.sch *.xhtml *.xml.dist",
    "yaml": "*.yaml *.yml",
    "zig": "*.zig",
}
OTHER_NAMES = {
    "bash": "sh", "c++": "cpp", "csharp": "cs", "dockerfile": "docker", "javascript": "js", "kt": "kotlin",
    "markdown": "md", "python": "py", "rb": "ruby", "rs": "rust", "shell": "sh", "typescript": "ts", "yml": "yaml",
}  # fmt: skip


def named_so(kind: str) -> Callable[[str], bool]:
    """Return whether a path's last name is one of this kind. Raises ToolError for a kind that nobody knows."""
    known = KINDS.get(OTHER_NAMES.get(kind, kind))
    if known is None:
        names = sorted([*KINDS, *OTHER_NAMES])
        raise ToolError(f"There is no type {kind!r} of files.{did_you_mean(kind, names)} Known: {', '.join(names)}.")
    patterns = known.split()
    return lambda path: any(fnmatchcase(path.rpartition("/")[2], pattern) for pattern in patterns)
