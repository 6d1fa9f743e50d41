"""The composition root: the only package that reads the environment and knows every other one."""
