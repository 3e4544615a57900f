"""Runs test modules of Python itself, and prints each test with its result, but no times.

    python_tests.py json re ...
"""
import sys
import unittest

from test import support


class Results(unittest.TestResult):
    def stopTest(self, test):
        super().stopTest(test)
        failed = any(test is other for other, _ in self.failures + self.errors)
        print(test.id(), "FAILED" if failed else "done", flush=True)


if __name__ == "__main__":
    support.verbose = False  # tests would print what their threads do
    modules = ["test.test_" + name for name in sys.argv[1:]]
    results = Results()
    unittest.defaultTestLoader.loadTestsFromNames(modules).run(results)
    print(results.testsRun, "tests,", len(results.skipped), "skipped")
    for test, trace in results.failures + results.errors:
        print(test.id(), trace, sep="\n")
    sys.exit(not results.wasSuccessful())
