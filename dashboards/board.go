package dashboards

import (
	"encoding/json"
	"fmt"
	"strings"
)

// schemaVersion of the classic dashboard JSON written here. Grafana migrates
// older ones by itself; the newer v2 schema is refused by /api/dashboards/db and
// by file provisioning.
const schemaVersion = 39

// The classic dashboard JSON, as far as it is used. Zero values are left out:
// Grafana fills its defaults in, and what it adds does not count as an edit.
type (
	board struct {
		UID           string       `json:"uid"`
		Title         string       `json:"title"`
		Description   string       `json:"description,omitempty"`
		Tags          []string     `json:"tags"`
		SchemaVersion int          `json:"schemaVersion"`
		Editable      bool         `json:"editable"`
		GraphTooltip  int          `json:"graphTooltip,omitempty"` // 1: shared crosshair
		Refresh       string       `json:"refresh,omitempty"`
		Timezone      string       `json:"timezone,omitempty"`
		Time          timeRange    `json:"time"`
		Templating    listOf[vary] `json:"templating"`
		Annotations   listOf[note] `json:"annotations"`
		Links         []link       `json:"links,omitempty"`
		Panels        []panel      `json:"panels"`
		Oriel         mark         `json:"oriel"`
	}
	// mark tells that a dashboard is Oriel's, and whether it is as Oriel wrote it.
	mark struct {
		Tenant string `json:"tenant"`
		Hash   string `json:"hash"`
	}
	timeRange struct {
		From string `json:"from"`
		To   string `json:"to"`
	}
	listOf[T any] struct {
		List []T `json:"list"`
	}
	// link is one at the top of a dashboard: an address, or every dashboard with
	// the tags.
	link struct {
		Title       string   `json:"title"`
		Type        string   `json:"type"` // link, dashboards
		URL         string   `json:"url,omitempty"`
		Icon        string   `json:"icon"`
		Tooltip     string   `json:"tooltip"`
		Tags        []string `json:"tags"`
		AsDropdown  bool     `json:"asDropdown"`
		IncludeVars bool     `json:"includeVars"`
		KeepTime    bool     `json:"keepTime"`
		TargetBlank bool     `json:"targetBlank"`
	}
	// note marks moments on every chart: from a query, or kept in Grafana itself.
	note struct {
		Name        string      `json:"name"`
		Datasource  *sourceRef  `json:"datasource"`
		Enable      bool        `json:"enable"`
		Hide        bool        `json:"hide,omitempty"`
		IconColor   string      `json:"iconColor"`
		BuiltIn     int         `json:"builtIn,omitempty"`
		Type        string      `json:"type,omitempty"`
		Expr        string      `json:"expr,omitempty"`
		Step        string      `json:"step,omitempty"`
		TitleFormat string      `json:"titleFormat,omitempty"`
		TextFormat  string      `json:"textFormat,omitempty"`
		TagKeys     string      `json:"tagKeys,omitempty"`
		Target      *noteTarget `json:"target,omitempty"`
	}
	noteTarget struct {
		Limit    int      `json:"limit"`
		MatchAny bool     `json:"matchAny"`
		Tags     []string `json:"tags"`
		Type     string   `json:"type"`
	}
	// vary is a template variable: a picker over a query's values, or a textbox.
	vary struct {
		Name        string      `json:"name"`
		Label       string      `json:"label"`
		Description string      `json:"description,omitempty"`
		Type        string      `json:"type"` // query, textbox
		Datasource  *sourceRef  `json:"datasource,omitempty"`
		Definition  string      `json:"definition,omitempty"`
		Query       any         `json:"query"`             // of a picker varyQuery, of a textbox its text
		Refresh     int         `json:"refresh,omitempty"` // 2: when the time range changes
		Sort        int         `json:"sort,omitempty"`    // 1: by name
		Multi       bool        `json:"multi,omitempty"`
		IncludeAll  bool        `json:"includeAll,omitempty"`
		AllValue    string      `json:"allValue,omitempty"`
		Current     varyValue   `json:"current"`
		Options     []varyValue `json:"options,omitempty"`
	}
	varyQuery struct {
		Query string `json:"query"`
		RefID string `json:"refId"`
	}
	varyValue struct {
		Text  string `json:"text"`
		Value string `json:"value"`
	}
	sourceRef struct {
		Type string `json:"type"`
		UID  string `json:"uid"`
	}
	panel struct {
		ID          int            `json:"id"`
		Type        string         `json:"type"`
		Title       string         `json:"title"`
		Description string         `json:"description,omitempty"`
		GridPos     gridPos        `json:"gridPos"`
		Datasource  *sourceRef     `json:"datasource,omitempty"`
		Targets     []target       `json:"targets,omitempty"`
		FieldConfig *fieldConfig   `json:"fieldConfig,omitempty"`
		Options     map[string]any `json:"options,omitempty"`
		Transforms  []transform    `json:"transformations,omitempty"`
		Interval    string         `json:"interval,omitempty"` // the least step, such as 1m
	}
	transform struct {
		ID      string         `json:"id"`
		Options map[string]any `json:"options"`
	}
	gridPos struct {
		H int `json:"h"`
		W int `json:"w"`
		X int `json:"x"`
		Y int `json:"y"`
	}
	// target is one query of a panel: expr for Prometheus, query for Elasticsearch.
	target struct {
		RefID        string     `json:"refId"`
		Datasource   *sourceRef `json:"datasource"`
		Expr         string     `json:"expr,omitempty"`
		LegendFormat string     `json:"legendFormat,omitempty"`
		Format       string     `json:"format,omitempty"` // table, for Prometheus
		Instant      bool       `json:"instant,omitempty"`
		Range        bool       `json:"range,omitempty"`
		EditorMode   string     `json:"editorMode,omitempty"`

		Query      string      `json:"query,omitempty"`
		Alias      string      `json:"alias,omitempty"`
		TimeField  string      `json:"timeField,omitempty"`
		Metrics    []esMetric  `json:"metrics,omitempty"`
		BucketAggs []esBuckets `json:"bucketAggs,omitempty"`
	}
	esMetric struct {
		ID       string            `json:"id"`
		Type     string            `json:"type"` // count, max, logs
		Field    string            `json:"field,omitempty"`
		Settings map[string]string `json:"settings,omitempty"`
	}
	esBuckets struct {
		ID       string            `json:"id"`
		Type     string            `json:"type"` // terms, date_histogram
		Field    string            `json:"field"`
		Settings map[string]string `json:"settings,omitempty"`
	}
	fieldConfig struct {
		Defaults  fieldDefaults `json:"defaults"`
		Overrides []override    `json:"overrides"`
	}
	fieldDefaults struct {
		Unit       string         `json:"unit,omitempty"`
		Min        *float64       `json:"min,omitempty"`
		Max        *float64       `json:"max,omitempty"`
		Decimals   *int           `json:"decimals,omitempty"`
		NoValue    string         `json:"noValue,omitempty"`
		Color      *colour        `json:"color,omitempty"`
		Thresholds *thresholds    `json:"thresholds,omitempty"`
		Mappings   []mapping      `json:"mappings,omitempty"`
		Links      []dataLink     `json:"links,omitempty"`
		Custom     map[string]any `json:"custom,omitempty"`
	}
	// mapping writes words for values.
	mapping struct {
		Type    string                 `json:"type"` // value
		Options map[string]mappingText `json:"options"`
	}
	mappingText struct {
		Text  string `json:"text"`
		Color string `json:"color,omitempty"`
		Index int    `json:"index"`
	}
	// dataLink leads from a value on a chart to another page.
	dataLink struct {
		Title       string `json:"title"`
		URL         string `json:"url"`
		TargetBlank bool   `json:"targetBlank,omitempty"`
	}
	colour struct {
		Mode       string `json:"mode"`
		FixedColor string `json:"fixedColor,omitempty"`
	}
	thresholds struct {
		Mode  string `json:"mode"`
		Steps []step `json:"steps"`
	}
	step struct {
		Color string   `json:"color"`
		Value *float64 `json:"value"` // null: from minus infinity
	}
	override struct {
		Matcher    matcher    `json:"matcher"`
		Properties []property `json:"properties"`
	}
	matcher struct {
		ID      string `json:"id"`
		Options string `json:"options"`
	}
	property struct {
		ID    string `json:"id"`
		Value any    `json:"value"`
	}
)

// sheet lays panels out on Grafana's grid of 24 columns, left to right.
type sheet struct {
	panels  []panel
	x, y, h int // where the next panel goes, and the height of this line
}

func (s *sheet) row(title string) {
	s.newLine()
	s.put(panel{Type: "row", Title: title}, 24, 1)
	s.newLine()
}

func (s *sheet) newLine() { s.x, s.y, s.h = 0, s.y+s.h, 0 }

func (s *sheet) put(p panel, w, h int) {
	if s.x+w > 24 {
		s.newLine()
	}
	p.ID = len(s.panels) + 1
	p.GridPos = gridPos{H: h, W: w, X: s.x, Y: s.y}
	s.panels = append(s.panels, p)
	s.x += w
	s.h = max(s.h, h)
}

// encode marks the board and writes it out.
func (b board) encode(n Names) Dashboard {
	b.Oriel = mark{Tenant: string(n.Tenant)}
	raw, err := json.Marshal(b)
	if err == nil {
		b.Oriel.Hash, err = contentHash(raw)
	}
	if err == nil {
		raw, err = json.MarshalIndent(b, "", "  ")
	}
	if err != nil {
		panic(fmt.Sprintf("dashboards: a board of our own cannot be encoded: %v", err))
	}
	return Dashboard{Key: strings.TrimPrefix(b.UID, n.Board("")), UID: b.UID, Title: b.Title, JSON: raw}
}
