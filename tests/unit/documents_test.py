"""Tests that the documents name are there."""
import pathlib
import re
import unittest

REPOSITORY = pathlib.Path(__file__).resolve().parents[2]
NAME = re.compile(r"`([A-Z]\w+)\.([A-Z]\w+)`")
SCENE = re.compile(r"`(test_\w+\.py)::(\w+)`")
TEST = re.compile(r"\bTEST(?:_[FP])?\(\s*(\w+),\s*(\w+)\)")


class Documents(unittest.TestCase):
    def test_name_tests_that_are_there(self):
        there = {match.groups() for path in REPOSITORY.glob("tests/unit/**/*.cpp")
                 for match in TEST.finditer(path.read_text(errors="replace"))}
        named = {(page.name, *match.groups()) for page in REPOSITORY.glob("doc/*.md")
                 for match in NAME.finditer(page.read_text())}
        self.assertGreater(len(named), 20)
        self.assertEqual([one for one in sorted(named) if one[1:] not in there], [])

    def test_name_scenes_that_are_there(self):
        named = {(page.name, *match.groups()) for page in REPOSITORY.glob("doc/*.md")
                 for match in SCENE.finditer(page.read_text())}
        text_of = lambda file: (REPOSITORY / "tests" / "integration" / file).read_text()
        self.assertEqual([one for one in sorted(named) if f"def {one[2]}(" not in text_of(one[1])], [])


if __name__ == "__main__":
    unittest.main()
