// Uses the client that was generated for Go, at the address given.
package main

import (
	"context"
	"encoding/json"
	"os"

	"example.org/events/client"
)

func check(err error) {
	if err != nil {
		panic(err)
	}
}

func main() {
	configuration := client.NewConfiguration()
	configuration.Servers = client.ServerConfigurations{{URL: os.Args[1]}}
	api := client.NewAPIClient(configuration)
	ctx := context.Background()

	event := client.NewEventInput("user-1", client.EVENTTYPE_LOGIN)
	event.SetPayload(map[string]interface{}{
		"client": "go",
		"nested": map[string]interface{}{"list": []interface{}{1, nil, "ü"}},
	})
	published, _, err := api.EventsAPI.GenerateEvent(ctx).EventInput(*event).Execute()
	check(err)
	batch, _, err := api.EventsAPI.PublishBatch(ctx).EventInput([]client.EventInput{
		*client.NewEventInput("user-1", client.EVENTTYPE_PRODUCT_VIEW),
		*client.NewEventInput("user\x00", client.EVENTTYPE_LOGOUT),
	}).Execute()
	check(err)
	listed, _, err := api.EventsAPI.ListEvents(ctx).UserId("stored").EventType(string(client.EVENTTYPE_LOGIN)).Limit(1).Execute()
	check(err)
	again, _, err := api.EventsAPI.GetEvent(ctx, listed[0].GetId()).Execute()
	check(err)
	_, absent, err := api.EventsAPI.GetEvent(ctx, published.GetEventId()).Execute()
	if err == nil {
		panic("an event that is not stored was read")
	}
	types, _, err := api.EventsAPI.ListEventTypes(ctx).Execute()
	check(err)
	schema, _, err := api.EventsAPI.GetPayloadSchema(ctx, client.EVENTTYPE_SHOP_ORDER2).Execute()
	check(err)
	health, _, err := api.HealthAPI.Alive(ctx).Execute()
	check(err)

	statuses := []string{}
	for _, result := range batch.GetResults() {
		statuses = append(statuses, result.GetStatus())
	}
	check(json.NewEncoder(os.Stdout).Encode(map[string]interface{}{
		"eventId": published.GetEventId(),
		"batch":   statuses,
		"stored":  again.GetId(),
		"absent":  absent.StatusCode,
		"types":   len(types.GetTypes()),
		"schema":  schema["title"],
		"health":  health.GetStatus(),
	}))
}
