"""What people see: figures and widgets."""
