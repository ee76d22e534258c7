"""What every room stands on: errors, clocks, box arithmetic, the machine, quiet libraries."""
