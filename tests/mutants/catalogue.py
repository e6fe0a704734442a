"""Every mutant, by subject. Read down the incidents: each has a test that would stop it."""

from collections.abc import Mapping

from tests.mutants.deciding import DECIDING
from tests.mutants.knowing import KNOWING
from tests.mutants.limits import LIMITS
from tests.mutants.mutant import Mutant
from tests.mutants.remembering import REMEMBERING
from tests.mutants.sending import SENDING

CATALOGUE: tuple[Mutant, ...] = (*SENDING, *KNOWING, *DECIDING, *LIMITS, *REMEMBERING)

BY_NAME: Mapping[str, Mutant] = {mutant.name: mutant for mutant in CATALOGUE}
