// A member of the legacy service's consumer group, with the legacy service's library and variables.
// Says on standard output, one JSON object a line, what it was assigned and what it received.
import kafkajs from 'kafkajs'

const { KAFKA_BROKER, KAFKA_TOPIC, KAFKA_CONSUMER_GROUP } = process.env
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`)

const kafka = new kafkajs.Kafka({
  clientId: 'user-activity-service',
  brokers: KAFKA_BROKER.split(','),
  logLevel: kafkajs.logLevel.NOTHING,
})
// It hears of a rebalance, and of its own end, only between two fetches: these wait 5 s by default.
const consumer = kafka.consumer({ groupId: KAFKA_CONSUMER_GROUP, heartbeatInterval: 200, maxWaitTimeInMs: 200 })

consumer.on(consumer.events.GROUP_JOIN, ({ payload }) =>
  say({ leads: payload.isLeader, partitions: payload.memberAssignment[KAFKA_TOPIC] ?? [] }),
)
process.on('SIGTERM', async () => {
  await consumer.disconnect()
  process.exit(0)
})

await consumer.connect()
await consumer.subscribe({ topic: KAFKA_TOPIC, fromBeginning: true })
await consumer.run({ eachMessage: async ({ message }) => say({ value: message.value.toString() }) })
