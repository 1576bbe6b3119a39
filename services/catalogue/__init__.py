"""The catalogue as people write it: YAML read with its positions, checked, explained, published as JSON Schema."""
