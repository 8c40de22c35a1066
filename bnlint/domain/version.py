"""The version of bnlint; written here because asking the package metadata takes 25 ms."""

VERSION = "0.1.0"
