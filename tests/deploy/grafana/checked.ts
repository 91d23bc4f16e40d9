// The form of our dashboards: Grafana's own types, with the options of each kind of panel that is used. JSON has no enums, so that
// their values take their place.
import type * as grafana from '@grafana/schema';
import type * as heatmap from '@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen';
import type * as stat from '@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen';
import type * as timeline from '@grafana/schema/dist/esm/raw/composable/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type * as timeseries from '@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';

type Plain<T> = T extends string
  ? `${T}`
  : T extends (infer Item)[]
    ? Plain<Item>[]
    : T extends object
      ? { [Key in keyof T]: Plain<T[Key]> }
      : T;

type Fields<Custom> = {
  defaults: Omit<grafana.FieldConfig, 'custom'> & { custom?: Custom };
  overrides: [];
};

type Of<Kind extends string, Options, Custom> = Omit<grafana.Panel, 'type' | 'options' | 'fieldConfig' | 'title'> & {
  type: Kind;
  title: string;
  options: Options;
  fieldConfig: Fields<Custom>;
};

type Panel = Plain<
  | Of<'timeseries', timeseries.Options, timeseries.FieldConfig>
  | Of<'stat', stat.Options, Record<string, never>>
  | Of<'state-timeline', timeline.Options, timeline.FieldConfig>
  | Of<'heatmap', heatmap.Options, heatmap.FieldConfig>
  | (Omit<grafana.RowPanel, 'type'> & { type: 'row' })
>;

/** A query that stands for annotations is the data source's own affair. */
type Annotation = Plain<grafana.AnnotationQuery> & Record<'expr' | 'titleFormat' | 'textFormat' | 'step', string>;

export type Checked = Omit<Plain<grafana.Dashboard>, 'panels' | 'annotations'> & {
  panels: Panel[];
  annotations: { list: Annotation[] };
};
