package esapi

import (
	"context"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// settingsOf gives the settings of each of the chosen indices, as JSON. The date
// of creation is the receipt of the oldest record that is there: before it there
// was no index of that name, as far as anybody can see.
func settingsOf(ctx context.Context, v logging.View, ch chosen) (map[string]string, error) {
	out := make(map[string]string, len(ch.infos))
	for _, info := range ch.infos {
		res, err := v.Search(ctx, logging.Query{
			Indices: []string{info.Name}, Limit: 1, TotalMax: -1,
			Sort: []logging.SortKey{{Field: logging.FieldOf(logging.FieldSeq)}},
		})
		if err != nil {
			return nil, err
		}
		b := []byte(`{"index":{`)
		if len(res.Hits) > 0 {
			b = append(appendInt(append(b, `"creation_date":"`...), res.Hits[0].Record.Received.UnixMilli()), `",`...)
		}
		b = append(b, `"number_of_shards":"1","number_of_replicas":"0","uuid":"`+uuid("index "+info.Name)+`","provided_name":`...)
		out[info.Name] = string(append(jsontext.AppendString(b, info.Name), `}}`...))
	}
	return out, nil
}
