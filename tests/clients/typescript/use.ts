// Uses the client that was generated for TypeScript, at the address given.
import { Configuration, EventType, EventsApi, HealthApi, ResponseError } from "./client/index.js";

declare const process: { argv: string[] };

const configuration = new Configuration({ basePath: process.argv[2] });
const events = new EventsApi(configuration);

const payload = { client: "typescript", nested: { list: [1, null, "ü"] } };
const published = await events.generateEvent({
  eventInput: { userId: "user-1", eventType: EventType.Login, payload },
});
const batch = await events.publishBatch({
  eventInput: [
    { userId: "user-1", eventType: EventType.ProductView },
    { userId: "user\0", eventType: EventType.Logout },
  ],
});
const [stored] = await events.listEvents({ userId: "stored", eventType: EventType.Login, limit: 1 });
const again = await events.getEvent({ id: stored.id });
const absent = await events.getEvent({ id: published.eventId }).then(
  () => 200,
  (error) => (error as ResponseError).response.status,
);
const { types } = await events.listEventTypes();
const schema = await events.getPayloadSchema({ type: EventType.ShopOrder2 });
const health = await new HealthApi(configuration).alive();

console.log(
  JSON.stringify({
    eventId: published.eventId,
    batch: batch.results.map((result) => result.status),
    stored: again.id,
    absent,
    types: types.length,
    schema: schema.title,
    health: health.status,
  }),
);
