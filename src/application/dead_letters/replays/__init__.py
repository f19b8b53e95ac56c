"""What carries out replay jobs: a worker, and in it a run for each job."""
