package dashboards

// The panels that dashboards are made of, with the looks they share.

func newPanel(kind, title, about string, ds *sourceRef, ts []target) panel {
	for i := range ts {
		ts[i].Datasource = ds
	}
	return panel{Type: kind, Title: title, Description: about, Datasource: ds, Targets: ts}
}

// text is a panel of Markdown.
func text(title, markdown string) panel {
	return panel{Type: "text", Title: title, Options: map[string]any{"mode": "markdown", "content": markdown}}
}

func stat(title, about, unit string, ds *sourceRef, ts ...target) panel {
	p := newPanel("stat", title, about, ds, ts)
	p.FieldConfig = &fieldConfig{
		Defaults:  fieldDefaults{Unit: unit, NoValue: "no data", Color: &colour{Mode: "fixed", FixedColor: "text"}},
		Overrides: []override{},
	}
	p.Options = map[string]any{
		"colorMode": "value", "graphMode": "area", "textMode": "value_and_name", "justifyMode": "auto", "orientation": "auto",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	return p
}

// reduced shows the sum, or the maximum, over the range in place of the last value.
func reduced(p panel, calc string) panel {
	p.Options["reduceOptions"] = map[string]any{"calcs": []string{calc}, "fields": "", "values": false}
	return p
}

// alone leaves the name and the small chart of a stat out.
func alone(p panel) panel {
	p.Options["textMode"], p.Options["graphMode"] = "value", "none"
	return p
}

// quiet leaves the small chart of a stat out.
func quiet(p panel) panel {
	p.Options["graphMode"] = "none"
	return p
}

// worded writes words, and their colours, for values.
func worded(p panel, words map[string]mappingText) panel {
	p.FieldConfig.Defaults.Mappings = []mapping{{Type: "value", Options: words}}
	return p
}

// withSteps colours the value: the first colour below a, then b's, then c's.
func withSteps(p panel, ca string, a float64, cb string, b float64, cc string) panel {
	p.FieldConfig.Defaults.Color = &colour{Mode: "thresholds"}
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: []step{{Color: ca}, {Color: cb, Value: &a}, {Color: cc, Value: &b}}}
	return p
}

func series(title, about, unit string, ds *sourceRef, ts ...target) panel {
	p := newPanel("timeseries", title, about, ds, ts)
	zero := 0.0
	p.FieldConfig = &fieldConfig{
		Defaults: fieldDefaults{Unit: unit, Min: &zero, Color: &colour{Mode: "palette-classic"}, Custom: map[string]any{
			"drawStyle": "line", "lineWidth": 1, "fillOpacity": 10, "showPoints": "never", "spanNulls": false,
		}},
		Overrides: []override{},
	}
	p.Options = map[string]any{
		"legend":  map[string]any{"displayMode": "list", "placement": "bottom", "showLegend": true, "calcs": []string{}},
		"tooltip": map[string]any{"mode": "multi", "sort": "desc"},
	}
	return p
}

// withLine draws the thresholds of a share of 1 as dashed lines.
func withLine(p panel, warn, bad float64) panel {
	p.FieldConfig.Defaults.Thresholds = &thresholds{Mode: "absolute", Steps: []step{{Color: "green"}, {Color: "orange", Value: &warn}, {Color: "red", Value: &bad}}}
	p.FieldConfig.Defaults.Custom["thresholdsStyle"] = map[string]any{"mode": "dashed"}
	return p
}

// dashedAs draws the series that a query names so as dashed lines without an area.
func dashedAs(p panel, name, colourName string) panel {
	p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
		Matcher: matcher{ID: "byRegexp", Options: "/ " + name + "$/"},
		Properties: []property{
			{ID: "color", Value: colour{Mode: "fixed", FixedColor: colourName}},
			{ID: "custom.lineStyle", Value: map[string]any{"fill": "dash", "dash": []int{8, 8}}},
			{ID: "custom.fillOpacity", Value: 0},
		},
	})
	return p
}

// linked leads from a value to another page.
func linked(p panel, title, url string) panel {
	p.FieldConfig.Defaults.Links = append(p.FieldConfig.Defaults.Links, dataLink{Title: title, URL: url})
	return p
}

// levelColours are those of Grafana's own log panels.
var levelColours = []struct{ level, colour string }{
	{"fatal", "purple"}, {"error", "red"}, {"warn", "yellow"}, {"info", "green"}, {"debug", "blue"}, {"trace", "light-blue"}, {"unknown", "text"},
}

// bars stacks counts over time, coloured by level where series are levels.
func bars(title, about string, ds *sourceRef, ts ...target) panel {
	p := series(title, about, "short", ds, ts...)
	p.FieldConfig.Defaults.Custom = map[string]any{
		"drawStyle": "bars", "lineWidth": 0, "fillOpacity": 100, "barAlignment": 0,
		"stacking": map[string]any{"mode": "normal", "group": "A"},
	}
	for _, l := range levelColours {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, override{
			Matcher:    matcher{ID: "byName", Options: l.level},
			Properties: []property{{ID: "color", Value: colour{Mode: "fixed", FixedColor: l.colour}}},
		})
	}
	return p
}

// gauge shows one bar a series, the fuller the redder; max is what full means.
func gauge(title, about, unit string, limit float64, ds *sourceRef, ts ...target) panel {
	p := newPanel("bargauge", title, about, ds, ts)
	zero := 0.0
	p.FieldConfig = &fieldConfig{Defaults: fieldDefaults{Unit: unit, Min: &zero, NoValue: "no data"}, Overrides: []override{}}
	if limit > 0 {
		p.FieldConfig.Defaults.Max = &limit
	} else {
		p.FieldConfig.Defaults.Color = &colour{Mode: "fixed", FixedColor: "blue"}
	}
	p.Options = map[string]any{
		"displayMode": "basic", "orientation": "horizontal", "showUnfilled": true, "valueMode": "color",
		"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}, "fields": "", "values": false},
	}
	return p
}

// column is one column of a table: the label or value it shows, under a title.
type column struct {
	field, title, unit string
	link               string // "": none
}

// table joins instant queries by their labels, one row a set of labels, with
// the given columns in their order and no others.
func table(title, about string, ds *sourceRef, cols []column, ts ...target) panel {
	for i := range ts {
		ts[i].Format = "table"
	}
	p := newPanel("table", title, about, ds, ts)
	p.FieldConfig = &fieldConfig{Defaults: fieldDefaults{NoValue: "–", Custom: map[string]any{"filterable": true}}, Overrides: []override{}}
	p.Options = map[string]any{"showHeader": true, "cellHeight": "sm"}
	index, rename := map[string]any{}, map[string]any{}
	var keep []string
	for i, c := range cols {
		keep = append(keep, c.field)
		index[c.field], rename[c.field] = i, c.title
		o := override{Matcher: matcher{ID: "byName", Options: c.title}}
		if c.unit != "" {
			o.Properties = append(o.Properties, property{ID: "unit", Value: c.unit})
		}
		if c.link != "" {
			o.Properties = append(o.Properties, property{ID: "links", Value: []dataLink{{Title: "Open", URL: c.link}}})
		}
		if len(o.Properties) > 0 {
			p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, o)
		}
	}
	if len(ts) > 1 {
		p.Transforms = append(p.Transforms, transform{ID: "merge", Options: map[string]any{}})
	}
	p.Transforms = append(p.Transforms,
		transform{ID: "filterFieldsByName", Options: map[string]any{"include": map[string]any{"names": keep}}},
		transform{ID: "organize", Options: map[string]any{"indexByName": index, "renameByName": rename, "excludeByName": map[string]any{}}})
	return p
}

// sortedBy orders a table's rows, the largest first.
func sortedBy(p panel, title string) panel {
	p.Options["sortBy"] = []any{map[string]any{"displayName": title, "desc": true}}
	return p
}

func lines(title, about string, ds *sourceRef, ts ...target) panel {
	p := newPanel("logs", title, about, ds, ts)
	p.Options = map[string]any{
		"showTime": true, "wrapLogMessage": true, "enableLogDetails": true, "dedupStrategy": "none",
		"sortOrder": "Descending", "prettifyLogMessage": false, "showLabels": false, "showCommonLabels": false,
	}
	return p
}
