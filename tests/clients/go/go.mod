module use

go 1.23

require example.org/events/client v0.0.0

replace example.org/events/client => ./client
