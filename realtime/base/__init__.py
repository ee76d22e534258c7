"""What all other rooms use: errors, clocks, box arithmetic, facts about the machine, silencing of libraries."""
